//! What one VM counts.

use crate::bundles::{EPOCH_S, PLAIN, Spec, TTL_S};
use crate::driver::{Driver, config};

/// Five requests of a device in eight seconds, then 429; three failed logins of an account in a minute, then 403.
pub(crate) const COUNTED: Spec = Spec {
    more: r#"
counters:
  by_device:
    key: ['request.headers["x-device"]']
    window: 8s
  failures:
    key: ['request.headers["x-account"]']
    count_when: request.url_path == "/login" && response.code == 401
    window: 1m
  denied:
    key: ['request.headers["x-device"]']
    count_when: response.code == 429
    window: 1h
  hinted:
    key: [source.ip]
    count_when: response.headers["x-hint"] == "bad"
    window: 1m
  accounts:
    key: [source.ip]
    distinct: request.headers["x-account"]
    window: 1h
"#,
    rules: r#"
  - { id: busy, when: counters.by_device > 5, then: { deny: { status: 429 } } }
  - { id: locked, when: 'request.url_path == "/login" && counters.failures > 2', then: deny }
  - { id: stubborn, priority: 1, when: counters.denied > 3, then: { deny: { status: 418 } } }
  - { id: hinted, when: counters.hinted > 0, then: { deny: { status: 451 } } }
  - { id: many, when: counters.accounts > 9, then: { deny: { status: 409 } } }
"#,
    ..PLAIN
};

/// A VM that `COUNTED` serves.
pub(crate) fn counting() -> Driver {
    let mut driver = Driver::with_json(&with_bundle(&COUNTED));
    driver.tick();
    driver
}

pub(crate) fn with_bundle(bundle: &Spec) -> String {
    config(&format!(r#","bundle":"{}""#, bundle.base64()))
}

/// What a request with these headers is answered with: by the filter, or by the upstream with `code`.
fn exchange(driver: &mut Driver, path: &str, headers: &[(&str, &[u8])], code: u64) -> u64 {
    driver.request(path, headers);
    let reply = driver
        .proxy
        .reply
        .borrow()
        .as_ref()
        .map(|reply| u64::from(reply.status));
    let code = reply.unwrap_or(code);
    let properties = driver.proxy.properties.get_mut();
    properties.insert("response/code".into(), code.to_le_bytes().to_vec());
    if let Some(pending) = driver.filter.take_pending() {
        driver.filter.on_response(&driver.proxy, pending);
    }
    code
}

fn tap(driver: &mut Driver) -> u64 {
    exchange(driver, "/", &[("x-device", b"d1")], 200)
}

fn login(driver: &mut Driver, code: u64) -> u64 {
    exchange(driver, "/login", &[("x-account", b"a1")], code)
}

#[test]
fn the_sixth_request_in_the_window_is_slowed_down() {
    let mut driver = counting();
    for _ in 0..5 {
        assert_eq!(tap(&mut driver), 200);
    }
    assert_eq!(tap(&mut driver), 429);
    assert_eq!(exchange(&mut driver, "/", &[("x-device", b"d2")], 200), 200);
    assert_eq!(
        exchange(&mut driver, "/", &[], 200),
        200,
        "an absent key is not counted"
    );
    driver.set_time(EPOCH_S + 60 + 8);
    assert_eq!(tap(&mut driver), 200);
}

#[test]
fn failed_logins_lock_an_account_and_others_do_not() {
    let mut driver = counting();
    for code in [401, 200, 401, 302] {
        assert_eq!(login(&mut driver, code), code);
    }
    assert_eq!(login(&mut driver, 401), 401);
    assert_eq!(login(&mut driver, 401), 403, "three have failed");
    driver.set_time(EPOCH_S + 60 + 60);
    assert_eq!(login(&mut driver, 200), 200);
}

#[test]
fn denied_requests_count_by_the_answer_that_they_got() {
    let mut driver = counting();
    let answers: Vec<u64> = (0..10).map(|_| tap(&mut driver)).collect();
    assert_eq!(answers, [200, 200, 200, 200, 200, 429, 429, 429, 429, 418]);
}

#[test]
fn headers_of_the_response_are_read_where_a_counter_asks_for_them() {
    let mut driver = counting();
    let hint = |driver: &mut Driver, value: &[u8]| {
        *driver.proxy.response_headers.get_mut() = vec![
            (b":status".to_vec(), b"200".to_vec()),
            (b"x-hint".to_vec(), value.to_vec()),
        ];
        exchange(driver, "/", &[], 200)
    };
    assert_eq!(hint(&mut driver, b"good"), 200);
    assert_eq!(hint(&mut driver, b"bad"), 200);
    assert_eq!(hint(&mut driver, b"good"), 451);
}

#[test]
fn a_response_that_the_host_does_not_tell_counts_for_nothing() {
    for method in ["property", "response_headers", "now_ns"] {
        let mut driver = counting();
        for _ in 0..5 {
            driver.request("/login", &[("x-account", b"a1")]);
            let pending = driver.filter.take_pending().unwrap();
            driver.proxy.broken.get_mut().insert(method);
            driver.filter.on_response(&driver.proxy, pending);
            driver.proxy.broken.get_mut().clear();
        }
        assert_eq!(login(&mut driver, 200), 200, "{method}");
    }
}

#[test]
fn combinations_beyond_sixteen_are_a_metric() {
    let mut driver = counting();
    let values: Vec<String> = (0..17).map(|number| format!("d{number}")).collect();
    let headers: Vec<(&str, &[u8])> = values
        .iter()
        .map(|value| ("x-device", value.as_bytes()))
        .collect();
    exchange(&mut driver, "/", &headers[..16], 200);
    assert_eq!(driver.metric("riskgate.counters.dropped"), 0);
    exchange(&mut driver, "/", &headers, 200);
    assert_eq!(driver.metric("riskgate.counters.dropped"), 1);
}

#[test]
fn counts_go_on_under_rules_that_left_their_counter_as_it_was() {
    let other_rules = Spec {
        revision: 2,
        rules: r#"
  - { id: slower, when: counters.by_device > 5, then: { deny: { status: 503 } } }
"#,
        ..COUNTED
    };
    let other_window = Spec {
        revision: 3,
        more: r#"
counters:
  by_device: { key: ['request.headers["x-device"]'], window: 16s }
"#,
        ..other_rules
    };
    // With shared data and without.
    for broken in [None, Some("create_shared_data")] {
        let mut driver = Driver::subscribed("");
        driver.proxy.broken.get_mut().extend(broken);
        driver.hear_bundle(&COUNTED.bytes());
        for _ in 0..5 {
            assert_eq!(tap(&mut driver), 200);
        }
        driver.hear_bundle(&other_rules.bytes());
        assert_eq!(tap(&mut driver), 503, "the sixth");
        driver.hear_bundle(&other_window.bytes());
        assert_eq!(tap(&mut driver), 200, "another counter begins anew");
    }
}

#[test]
fn a_request_of_the_ruleset_before_counts_for_nothing_when_it_ends() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&COUNTED.bytes());
    driver.request("/login", &[("x-account", b"a1")]);
    let pending = driver.filter.take_pending().unwrap();
    driver.hear_bundle(
        &Spec {
            revision: 2,
            ..PLAIN
        }
        .bytes(),
    );
    driver.filter.on_response(&driver.proxy, pending);
    assert_eq!(driver.status("/blocked"), Some(403));
}

#[test]
fn different_values_are_counted() {
    let mut driver = counting();
    for number in 0..9 {
        let account = format!("a{number}");
        for _ in 0..2 {
            let headers = [("x-account", account.as_bytes())];
            assert_eq!(exchange(&mut driver, "/", &headers, 200), 200);
        }
    }
    assert_eq!(
        exchange(&mut driver, "/", &[("x-account", b"tenth")], 200),
        409
    );
}

#[test]
fn a_ruleset_that_expires_before_a_response_is_told_of_once() {
    let mut driver = counting();
    driver.request("/login", &[("x-account", b"a1")]);
    let pending = driver.filter.take_pending().unwrap();
    driver.set_time(EPOCH_S + TTL_S);
    driver.filter.on_response(&driver.proxy, pending);
    driver.status("/");
    assert_eq!(driver.log().matches("has expired").count(), 1);
}
