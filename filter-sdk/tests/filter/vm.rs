//! The filters of one VM: what serves outlives the root context that accepted it.

use crate::bundles::{CHANGED, EPOCH_S, PLAIN, Spec, TTL_S, id_of};
use crate::driver::{Driver, chunks, config, config_trusting};
use crate::push::ack;
use riskgate_filter_sdk::Flow;
use riskgate_push_protocol::PusherMessage;

const FIFTH: Spec = Spec {
    revision: 5,
    ..CHANGED
};

fn with_bundle(bundle: &Spec) -> String {
    config(&format!(r#","bundle":"{}""#, bundle.base64()))
}

#[test]
fn a_new_filter_is_served_by_what_serves() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&FIFTH.bytes());
    driver.proxy.calls.get_mut().clear();
    let mut new = driver.another(&config(r#","on_missing":"deny""#));
    assert_eq!(
        *driver.proxy.calls.borrow(),
        ["set_tick_period"],
        "configuring does nothing else"
    );
    driver.request("/", &[]);
    assert_eq!(new.on_request_headers(&driver.proxy, false), Flow::Continue);
    assert_eq!(driver.state("riskgate.revision").as_deref(), Some("5"));
    assert_eq!(driver.metric("riskgate.decisions.missing"), 0);
    assert!(
        driver
            .log()
            .contains("revision 5 serves on under another configuration"),
        "{}",
        driver.log()
    );
}

#[test]
fn what_serves_outlives_the_filter_that_accepted_it() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&FIFTH.bytes());
    for jwt_payload_key in ["p2", "p3", "p4"] {
        driver.replace(&config(&format!(
            r#","jwt_payload_key":"{jwt_payload_key}""#
        )));
        assert_eq!(driver.status("/blocked"), Some(429));
    }
}

#[test]
fn what_one_filter_accepts_serves_all() {
    let mut driver = Driver::subscribed("");
    let mut new = driver.another(&config(""));
    driver.hear_bundle(&PLAIN.bytes());
    driver.request("/blocked", &[]);
    assert_eq!(new.on_request_headers(&driver.proxy, false), Flow::Answered);
}

#[test]
fn an_older_configured_bundle_replaces_nothing() {
    let mut driver = Driver::with_json(&with_bundle(&FIFTH));
    assert_eq!(driver.status("/blocked"), Some(429));
    driver.replace(&with_bundle(&PLAIN));
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.refused"), 1);
    assert!(
        driver.log().contains("refused (older-revision)"),
        "{}",
        driver.log()
    );
}

#[test]
fn a_newer_configured_bundle_replaces_what_serves() {
    let mut driver = Driver::with_json(&with_bundle(&PLAIN));
    assert_eq!(driver.status("/blocked"), Some(403));
    driver.replace(&with_bundle(&FIFTH));
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.refused"), 0);
}

#[test]
fn an_expired_ruleset_stays_expired() {
    let expiring = Spec {
        on_expired: "deny",
        ..PLAIN
    };
    let mut driver = Driver::with_json(&with_bundle(&expiring));
    driver.set_time(EPOCH_S + TTL_S);
    assert_eq!(driver.status("/"), Some(503));
    driver.set_time(EPOCH_S + 60);
    driver.replace(&with_bundle(&expiring));
    assert_eq!(driver.status("/"), Some(503));
}

#[test]
fn the_minimum_holds_for_what_other_filters_accepted() {
    let mut driver = Driver::with_json(&with_bundle(&FIFTH));
    driver.tick();
    let stricter = r#","push":{"cluster":"pusher"},"min_revision":6,"on_missing":"deny""#;
    driver.replace(&config(stricter));
    assert_eq!(driver.status("/"), Some(503));
    assert_eq!(driver.metric("riskgate.decisions.missing"), 1);
    assert!(
        driver
            .log()
            .contains("revision 5 is below the configured minimum"),
        "{}",
        driver.log()
    );
    driver.connect();
    assert_eq!(driver.hello().holdings.held, None);
    driver.hear_bundle(&FIFTH.bytes());
    assert_eq!(driver.the_nack().reason, "below-min-revision");
    let sixth = Spec {
        revision: 6,
        ..PLAIN
    };
    driver.hear_bundle(&sixth.bytes());
    assert_eq!(driver.status("/blocked"), Some(403));
    driver.replace(&config(r#","min_revision":6"#));
    assert_eq!(driver.status("/blocked"), Some(403), "6 is not below 6");
}

#[test]
fn filters_for_other_bundles_share_nothing() {
    let others = [
        config_trusting(&[2], 1, ""),
        config(r#","audience":"eu""#),
        config("").replace("shop", "other"),
    ];
    for other in others {
        let mut driver = Driver::with_json(&with_bundle(&PLAIN));
        assert_eq!(driver.status("/blocked"), Some(403));
        let mut new = driver.another(&other);
        driver.request("/blocked", &[]);
        assert_eq!(new.on_request_headers(&driver.proxy, false), Flow::Continue);
        assert_eq!(driver.metric("riskgate.decisions.missing"), 1, "{other}");
    }
}

#[test]
fn the_order_of_the_keys_is_no_difference() {
    let mut driver = Driver::with_json(&config_trusting(&[1, 2], 1, ""));
    let mut new = driver.another(&config_trusting(
        &[2, 1],
        1,
        &format!(r#","bundle":"{}""#, PLAIN.base64()),
    ));
    new.on_tick(&driver.proxy);
    assert_eq!(driver.status("/blocked"), Some(403));
}

#[test]
fn what_no_filter_of_the_vm_uses_comes_back_from_shared_data() {
    let mut driver = Driver::with_json(&with_bundle(&FIFTH));
    driver.tick();
    driver.replace(&config("").replace("shop", "other"));
    driver.replace(&with_bundle(&PLAIN));
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.refused"), 1);
    assert!(
        driver.log().contains("refused (older-revision)"),
        "{}",
        driver.log()
    );
}

#[test]
fn a_new_filter_has_a_stream_of_its_own() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&PLAIN.bytes());
    driver.replace(&config(r#","push":{"cluster":"other"}"#));
    assert!(driver.proxy.streams.borrow()[0].cancelled);
    driver.connect();
    assert_eq!(driver.hello().holdings.held, Some(id_of(&PLAIN.bytes())));
}

#[test]
fn a_filter_that_is_configured_again_is_served_and_begins_another_stream() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&PLAIN.bytes());
    let json = config(r#","push":{"cluster":"pusher"}"#);
    driver.filter.on_configure(&driver.proxy, json.as_bytes());
    assert!(driver.proxy.streams.borrow()[0].cancelled);
    assert_eq!(driver.status("/blocked"), Some(403));
    driver.connect();
    assert_eq!(driver.hello().holdings.held, Some(id_of(&PLAIN.bytes())));
}

#[test]
fn the_filters_of_a_vm_have_one_name() {
    let mut driver = Driver::subscribed("");
    let old = driver.hello();
    driver.replace(&config(r#","push":{"cluster":"other"}"#));
    driver.tick();
    let new = driver.hello();
    assert_eq!((new.vm, new.instance), (old.vm, old.instance));
    let mut elsewhere = Driver::new(r#","push":{"cluster":"pusher"}"#);
    elsewhere.proxy.random.set(99);
    elsewhere.tick();
    assert_ne!(elsewhere.hello().vm, old.vm);
}

#[test]
fn what_another_filter_accepts_is_told_once() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let mut other = driver.another(&with_bundle(&PLAIN));
    other.on_tick(&driver.proxy);
    driver.tick();
    let reports = driver.reports();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].vms[0].held, Some(id_of(&PLAIN.bytes())));
    driver.tick();
    assert_eq!(driver.said(), []);
    driver.hear_bundle(&CHANGED.bytes());
    assert_eq!(driver.answers(), [ack(&CHANGED.bytes())]);
    driver.tick();
    assert_eq!(driver.said(), []);
}

#[test]
fn a_transfer_of_something_newer_goes_on() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let newer = CHANGED.bytes();
    driver.hear_offer(&newer);
    let mut other = driver.another(&with_bundle(&PLAIN));
    other.on_tick(&driver.proxy);
    driver.tick();
    driver.said();
    for chunk in chunks(&newer) {
        driver.hear(&PusherMessage::Chunk(chunk));
    }
    assert_eq!(driver.answers(), [ack(&newer)]);
}
