//! Hosts that do not do what they are asked.

use crate::bundles::PLAIN;
use crate::driver::Driver;
use riskgate_filter_sdk::Flow;

fn broken(methods: &[&'static str], more: &str) -> Driver {
    let mut driver = Driver::new(&format!(
        r#","push":{{"cluster":"pusher"}},"bundle":"{}"{more}"#,
        PLAIN.base64()
    ));
    driver.tick();
    driver.proxy.broken.get_mut().extend(methods);
    driver
}

#[test]
fn a_denied_request_never_goes_on() {
    let mut driver = broken(
        &["send_local_response", "set_property", "increment_metric"],
        "",
    );
    assert_eq!(driver.request("/blocked", &[]), Flow::Answered);
}

#[test]
fn unreadable_headers_are_decided_by_on_missing() {
    let mut allow = broken(&["request_headers"], "");
    assert_eq!(
        allow.request("/blocked", &[("x-risk-score", b"9")]),
        Flow::Continue
    );
    assert!(allow.header("x-risk-score").is_empty());
    assert_eq!(allow.metric("riskgate.request_errors"), 1);
    let mut deny = broken(&["request_headers"], r#","on_missing":"deny""#);
    assert_eq!(deny.request("/", &[]), Flow::Answered);
}

#[test]
fn without_a_clock_the_ruleset_serves_on() {
    let mut driver = broken(&["now_ns"], "");
    assert_eq!(driver.status("/blocked"), Some(403));
    assert_eq!(driver.status("/"), None);
    assert_eq!(driver.metric("riskgate.request_errors"), 2);
}

#[test]
fn without_a_stream_the_configured_bundle_serves() {
    let failures = [
        &["open_stream"][..],
        &["send_message"],
        &["random"],
        &["create_shared_data"],
    ];
    for methods in failures {
        let mut driver = Driver::new(&format!(
            r#","push":{{"cluster":"pusher"}},"bundle":"{}""#,
            PLAIN.base64()
        ));
        driver.proxy.broken.get_mut().extend(methods);
        for _ in 0..400 {
            driver.tick();
        }
        assert_eq!(driver.status("/blocked"), Some(403), "{methods:?}");
        let alarms = driver
            .log()
            .matches("no stream to cluster `pusher`")
            .count();
        assert_eq!(alarms, 1, "{methods:?}: {}", driver.log());
        let kept = driver
            .proxy
            .streams
            .borrow()
            .iter()
            .filter(|stream| !stream.cancelled)
            .count();
        assert_eq!(
            kept, 0,
            "{methods:?}: a stream that does not work is let go"
        );
    }
}
