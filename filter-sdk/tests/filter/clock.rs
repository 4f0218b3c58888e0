//! Clocks that fail or go back while a ruleset serves.

use crate::bundles::{EPOCH_S, PLAIN, Spec, TTL_S};
use crate::driver::Driver;

/// Denies `/blocked` from the time on.
fn from(time: &str) -> String {
    format!(
        r#"
  - {{ id: later, active: {{ from: "{time}" }}, when: 'request.url_path == "/blocked"', then: deny }}
"#
    )
}

fn serving(bundle: &Spec) -> Driver {
    let mut driver = Driver::new(&format!(r#","bundle":"{}""#, bundle.base64()));
    driver.tick();
    driver
}

fn lose_clock(driver: &mut Driver) {
    driver.proxy.broken.get_mut().insert("now_ns");
}

/// 2027-01-15T08:00:00Z is `EPOCH_S`.
const AT_ISSUE: &str = "2027-01-15T08:00:00Z";
const AFTER_TEN_MINUTES: &str = "2027-01-15T08:10:00Z";

#[test]
fn without_a_clock_it_is_no_earlier_than_the_issue() {
    let rules = String::leak(from(AT_ISSUE));
    let mut driver = serving(&Spec { rules, ..PLAIN });
    lose_clock(&mut driver);
    assert_eq!(driver.status("/blocked"), Some(403));
    assert_eq!(driver.metric("riskgate.request_errors"), 1);
}

#[test]
fn a_clock_that_was_ahead_for_a_moment_is_forgotten() {
    let rules = String::leak(from(AFTER_TEN_MINUTES));
    let mut driver = serving(&Spec { rules, ..PLAIN });
    assert_eq!(driver.status("/blocked"), None);
    driver.set_time(EPOCH_S + 601);
    assert_eq!(driver.status("/blocked"), Some(403), "ahead");
    driver.set_time(EPOCH_S + 60);
    assert_eq!(driver.status("/blocked"), None, "set right");
    driver.set_time(EPOCH_S + TTL_S);
    assert_eq!(driver.status("/blocked"), Some(403), "ahead, and expired");
    driver.set_time(EPOCH_S + 60);
    assert_eq!(driver.status("/blocked"), None, "`keep` goes by the clock");
    assert_eq!(driver.metric("riskgate.decisions.expired"), 2);
}

#[test]
fn a_clock_that_is_behind_is_no_earlier_than_the_issue() {
    let rules = String::leak(from(AT_ISSUE));
    let mut driver = serving(&Spec { rules, ..PLAIN });
    driver.set_time(EPOCH_S - 60);
    assert_eq!(driver.status("/blocked"), Some(403));
}

#[test]
fn without_a_clock_it_is_what_the_clock_said_last() {
    let rules = String::leak(from(AFTER_TEN_MINUTES));
    for (last_s, blocked) in [(601, Some(403)), (60, None)] {
        let mut driver = serving(&Spec { rules, ..PLAIN });
        driver.set_time(EPOCH_S + 601);
        driver.status("/");
        driver.set_time(EPOCH_S + last_s);
        driver.status("/");
        lose_clock(&mut driver);
        assert_eq!(driver.status("/blocked"), blocked, "{last_s}");
    }
}

#[test]
fn what_has_expired_stays_so_without_a_clock() {
    let mut driver = serving(&Spec {
        on_expired: "deny",
        ..PLAIN
    });
    driver.set_time(EPOCH_S + TTL_S);
    assert_eq!(driver.status("/"), Some(503));
    driver.set_time(0);
    assert_eq!(driver.status("/"), Some(503), "set back");
    lose_clock(&mut driver);
    assert_eq!(driver.status("/"), Some(503), "lost");
}

#[test]
fn a_bundle_that_comes_without_a_clock_is_judged_by_what_the_clock_said_last() {
    let rules = String::leak(from(AFTER_TEN_MINUTES));
    let with_bundle = format!(r#","bundle":"{}""#, PLAIN.base64());
    for (more, now_s, blocked) in [("", 60, None), (&with_bundle[..], 601, Some(403))] {
        let mut driver = Driver::subscribed(more);
        driver.set_time(EPOCH_S + now_s);
        driver.status("/");
        lose_clock(&mut driver);
        let second = Spec {
            revision: 2,
            rules,
            ..PLAIN
        };
        driver.hear_bundle(&second.bytes());
        assert_eq!(driver.status("/blocked"), blocked, "{now_s}");
        assert_eq!(driver.state("riskgate.revision").as_deref(), Some("2"));
    }
}

/// Five minutes ahead are allowed; a bundle from further on is refused for now, and nothing of that is remembered.
#[test]
fn what_came_too_early_is_taken_once_the_clock_is_right() {
    let mut driver = Driver::subscribed(r#","on_missing":"deny""#);
    driver.set_time(EPOCH_S - 301);
    driver.hear_bundle(&PLAIN.bytes());
    assert_eq!(driver.status("/"), Some(503));
    assert!(
        driver.log().contains("issued-in-future"),
        "{}",
        driver.log()
    );
    driver.set_time(EPOCH_S - 300);
    driver.hear_bundle(&PLAIN.bytes());
    assert_eq!(driver.status("/"), None);
    assert_eq!(driver.status("/blocked"), Some(403));
}

/// What was accepted says that it is later than the clock does.
#[test]
fn a_clock_that_is_set_back_keeps_no_newer_revision_out() {
    let mut driver = Driver::subscribed(&format!(r#","bundle":"{}""#, PLAIN.base64()));
    driver.set_time(0);
    let second = Spec {
        revision: 2,
        ..PLAIN
    };
    driver.hear_bundle(&second.bytes());
    driver.status("/");
    assert_eq!(driver.state("riskgate.revision").as_deref(), Some("2"));
    assert_eq!(driver.metric("riskgate.loads.refused"), 0);
}
