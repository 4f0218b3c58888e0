//! Other trusted keys for what serves already: an added key drops nothing, a removed one undoes what it signed.

use crate::bundles::{CHANGED, EPOCH_S, PLAIN, Spec, TTL_S};
use crate::driver::{Driver, config_trusting};
use riskgate_filter_sdk::Flow;

/// Answers `/blocked` with 429; of key 1.
const FIFTH: Spec = Spec {
    revision: 5,
    ..CHANGED
};

/// Answers `/blocked` with 403; of key 2.
const SIXTH: Spec = Spec {
    revision: 6,
    key: 2,
    ..PLAIN
};

fn trusting(keys: &[u8], bundle: &Spec) -> String {
    config_trusting(keys, 1, &format!(r#","bundle":"{}""#, bundle.base64()))
}

#[test]
fn an_added_key_drops_nothing_and_lets_nothing_older_in() {
    let mut driver = Driver::with_json(&trusting(&[1], &FIFTH));
    assert_eq!(driver.status("/blocked"), Some(429));
    driver.replace(&trusting(&[1, 2], &PLAIN));
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.refused"), 1);
    assert!(
        driver.log().contains("refused (older-revision)"),
        "{}",
        driver.log()
    );
}

#[test]
fn a_whole_rotation_never_leaves_a_request_undecided() {
    let mut driver = Driver::with_json(&trusting(&[1], &FIFTH));
    assert_eq!(driver.status("/blocked"), Some(429));
    driver.replace(&config_trusting(&[1, 2], 1, ""));
    assert_eq!(driver.status("/blocked"), Some(429), "a key was added");
    driver.replace(&trusting(&[1, 2], &SIXTH));
    assert_eq!(driver.status("/blocked"), Some(403), "it has signed");
    driver.replace(&config_trusting(&[2], 1, ""));
    assert_eq!(driver.status("/blocked"), Some(403), "the old one is gone");
    assert_eq!(driver.metric("riskgate.decisions.missing"), 0);
    assert_eq!(driver.metric("riskgate.loads.refused"), 0);
}

#[test]
fn a_removed_key_undoes_what_it_signed() {
    let mut driver = Driver::with_json(&trusting(&[1, 2], &FIFTH));
    assert_eq!(driver.status("/blocked"), Some(429));
    driver.replace(&config_trusting(&[2], 1, r#","on_missing":"deny""#));
    assert_eq!(driver.status("/blocked"), Some(503));
    let first = Spec { key: 2, ..PLAIN };
    driver.replace(&trusting(&[2], &first));
    assert_eq!(
        driver.status("/blocked"),
        Some(403),
        "the revision that the removed key signed holds nothing back"
    );
}

#[test]
fn a_raised_threshold_asks_for_more_signatures() {
    for (signers, blocked) in [(&[1][..], Some(503)), (&[1, 2], Some(429))] {
        let bundle = FIFTH.base64_signed_by(signers);
        let bundle = format!(r#","bundle":"{bundle}""#);
        let mut driver = Driver::with_json(&config_trusting(&[1, 2], 1, &bundle));
        assert_eq!(driver.status("/blocked"), Some(429));
        driver.replace(&config_trusting(&[1, 2], 2, r#","on_missing":"deny""#));
        assert_eq!(driver.status("/blocked"), blocked, "{signers:?}");
    }
}

#[test]
fn an_added_key_revives_nothing_that_has_expired() {
    let expiring = Spec {
        on_expired: "deny",
        ..PLAIN
    };
    let mut driver = Driver::with_json(&trusting(&[1], &expiring));
    driver.set_time(EPOCH_S + TTL_S);
    assert_eq!(driver.status("/"), Some(503));
    driver.set_time(EPOCH_S + 60);
    driver.replace(&trusting(&[1, 2], &expiring));
    assert_eq!(driver.status("/"), Some(503));
}

#[test]
fn of_several_the_newest_that_the_keys_have_signed_serves() {
    let of = |revision, key| Spec {
        revision,
        key,
        ..PLAIN
    };
    let mut driver = Driver::with_json(&trusting(&[1], &of(5, 1)));
    driver.tick();
    let _alive = [of(6, 2), of(4, 3), of(7, 4)].map(|bundle| {
        let mut filter = driver.another(&trusting(&[bundle.key], &bundle));
        filter.on_tick(&driver.proxy);
        filter
    });
    assert_eq!(driver.metric("riskgate.loads.accepted"), 4);
    driver.filter = driver.another(&config_trusting(&[1, 2, 3], 1, ""));
    driver.status("/");
    assert_eq!(driver.state("riskgate.revision").as_deref(), Some("6"));
}

#[test]
fn what_an_added_key_signs_does_not_serve_filters_that_lack_it() {
    let mut driver = Driver::with_json(&trusting(&[1], &FIFTH));
    driver.tick();
    let mut new = driver.another(&trusting(&[1, 2], &SIXTH));
    driver.status("/");
    assert_eq!(new.on_request_headers(&driver.proxy, false), Flow::Continue);
    assert_eq!(driver.state("riskgate.revision").as_deref(), Some("6"));
    driver.status("/");
    assert_eq!(driver.state("riskgate.revision").as_deref(), Some("5"));
}
