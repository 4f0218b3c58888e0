//! Hosts that do not do what they are asked.

use crate::bundles::{EPOCH_S, PLAIN, Spec, TTL_S};
use crate::driver::{Driver, config};
use crate::proxy::Reply;
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
fn a_request_that_cannot_be_read_does_not_pass_the_rules() {
    let unreadable = Reply {
        status: 503,
        headers: vec![("content-type".into(), "application/json".into())],
        body: r#"{"error":"request_unreadable"}"#.into(),
    };
    for method in ["request_headers", "remove_request_header"] {
        let mut driver = broken(&[method], r#","on_missing":"allow""#);
        let forged: [(&str, &[u8]); 1] = [("x-risk-score", b"9")];
        assert_eq!(driver.request("/", &forged), Flow::Answered, "{method}");
        assert_eq!(*driver.proxy.reply.borrow(), Some(unreadable.clone()));
        assert_eq!(driver.state("riskgate.action").as_deref(), Some("deny"));
        assert_eq!(driver.metric("riskgate.request_errors"), 1);
        assert_eq!(driver.metric("riskgate.decisions.unreadable"), 1);
        assert_eq!(driver.metric("riskgate.decisions.missing"), 0);
    }
}

#[test]
fn a_request_that_cannot_be_read_does_not_pass_an_expired_ruleset() {
    let bundle = Spec {
        on_expired: "allow",
        ..PLAIN
    };
    let mut driver = Driver::new(&format!(r#","bundle":"{}""#, bundle.base64()));
    driver.set_time(EPOCH_S + TTL_S);
    assert_eq!(driver.status("/blocked"), None);
    driver.proxy.broken.get_mut().insert("request_headers");
    assert_eq!(driver.status("/blocked"), Some(503));
}

#[test]
fn without_a_ruleset_on_missing_decides_about_what_cannot_be_read() {
    for (on_missing, flow) in [("allow", Flow::Continue), ("deny", Flow::Answered)] {
        let mut driver = Driver::new(&format!(r#","on_missing":"{on_missing}""#));
        driver.proxy.broken.get_mut().insert("request_headers");
        let forged: [(&str, &[u8]); 1] = [("x-risk-score", b"9")];
        assert_eq!(driver.request("/", &forged), flow, "{on_missing}");
        assert!(driver.header("x-risk-score").is_empty());
        assert_eq!(driver.metric("riskgate.request_errors"), 1);
        assert_eq!(driver.metric("riskgate.decisions.missing"), 1);
    }
}

#[test]
fn an_answer_that_the_host_does_not_take_is_tried_in_its_shortest_form() {
    let configurations = [
        config(&format!(r#","bundle":"{}""#, PLAIN.base64())),
        config(r#","on_missing":"deny""#),
        "{".to_owned(),
    ];
    for json in configurations {
        let mut driver = Driver::with_json(&json);
        driver.tick();
        driver.proxy.fails_once.set(Some("send_local_response"));
        assert_eq!(driver.status("/blocked"), Some(403), "{json}");
        assert_eq!(driver.metric("riskgate.request_errors"), 1, "{json}");
    }
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
    let failures = [&["open_stream"][..], &["send_message"], &["random"]];
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

#[test]
fn without_shared_data_a_vm_is_an_instance_of_its_own() {
    for method in ["create_shared_data", "shared_data", "shared_data_version"] {
        let mut driver = Driver::new(r#","push":{"cluster":"pusher"}"#);
        driver
            .proxy
            .shared_data
            .set("riskgate.instance.v1", &[7; 16]);
        driver.proxy.broken.get_mut().insert(method);
        driver.connect();
        let hello = driver.hello();
        assert_eq!(hello.instance.0, hello.vm.0, "{method}");
        driver.hear_bundle(&PLAIN.bytes());
        assert_eq!(driver.status("/blocked"), Some(403), "{method}");
    }
}
