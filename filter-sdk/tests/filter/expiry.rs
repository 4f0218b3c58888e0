//! Rulesets whose time is over.

use crate::bundles::{EPOCH_S, PLAIN, Spec, TTL_S};
use crate::driver::Driver;

#[test]
fn an_expired_ruleset_does_what_it_says() {
    // What `/blocked` and `/` get, before and after.
    let cases = [
        ("keep", Some(403), None),
        ("allow", None, None),
        ("deny", Some(503), Some(503)),
    ];
    for (on_expired, blocked, free) in cases {
        let bundle = Spec {
            on_expired,
            ..PLAIN
        };
        let mut driver = Driver::new(&format!(
            r#","bundle":"{}","on_missing":"deny""#,
            bundle.base64()
        ));
        driver.set_time(EPOCH_S + TTL_S - 1);
        assert_eq!(
            (driver.status("/blocked"), driver.status("/")),
            (Some(403), None),
            "{on_expired}"
        );
        assert_eq!(driver.metric("riskgate.decisions.expired"), 0);
        driver.set_time(EPOCH_S + TTL_S);
        assert_eq!(
            (driver.status("/blocked"), driver.status("/")),
            (blocked, free),
            "{on_expired}"
        );
        assert_eq!(driver.metric("riskgate.decisions.expired"), 2);
        let alarms = driver.log().matches("has expired").count();
        assert_eq!(alarms, 1, "{}", driver.log());
    }
}

#[test]
fn a_clock_that_jumps_back_revives_nothing_and_a_newer_revision_heals() {
    let expiring = Spec {
        on_expired: "deny",
        ..PLAIN
    };
    let mut driver = Driver::subscribed(&format!(r#","bundle":"{}""#, expiring.base64()));
    driver.set_time(EPOCH_S + TTL_S + 10);
    assert_eq!(driver.status("/"), Some(503));
    driver.set_time(EPOCH_S + 60);
    assert_eq!(driver.status("/"), Some(503));
    driver.hear_bundle(
        &Spec {
            revision: 2,
            ..expiring
        }
        .bytes(),
    );
    assert_eq!(driver.status("/"), None);
}

#[test]
fn an_expired_bundle_may_be_the_first_one() {
    let bundle = Spec {
        on_expired: "deny",
        ..PLAIN
    };
    let mut driver = Driver::new(&format!(r#","bundle":"{}""#, bundle.base64()));
    driver.set_time(EPOCH_S + TTL_S + 10);
    driver.tick();
    assert!(driver.log().contains("has expired"), "{}", driver.log());
    driver.set_time(EPOCH_S + 60);
    assert_eq!(driver.status("/"), Some(503), "and it stays expired");
    assert_eq!(driver.metric("riskgate.decisions.expired"), 1);
}
