//! Counters from the YAML to the verdicts.

use serde_json::Value;

use crate::rulec::Workshop;

const RULESET: &str = r#"
language: 1
ruleset: shop
ttl: 7d
counters:
  taps:
    key: ['request.headers["x-device-id"]']
    count_when: request.url_path.startsWith("/api/seckill/")
    window: 10s
  cards:
    key: [client.ip]
    distinct: request.headers["x-card"].lowerAscii()
    window: 10m
    max_keys: 100
  failures:
    key: ['request.headers["x-account"]', request.method]
    count_when:
      all: [request.url_path == "/login", 'response.code == 401 || response.headers["x-result"] == "bad"']
    window: 5m
"#;

const RULES: &str = r#"
rules:
  - { id: taps, when: 'request.url_path.startsWith("/api/") && counters.taps > 2', then: { deny: { status: 429 } } }
  - { id: cards, when: 'request.url_path == "/pay" && counters.cards in [3, 4]', then: { challenge: {} } }
  - { id: guesses, when: 'request.url_path == "/login" && counters.failures >= 2', then: deny }
"#;

fn workshop() -> Workshop {
    let workshop = Workshop::empty();
    workshop.write("shop/ruleset.yaml", RULESET);
    workshop.write("shop/main.rules.yaml", RULES);
    workshop.run("keygen --out signer.pem").expect(0, "");
    workshop.build("shop.bundle", "--revision 1").expect(0, "");
    workshop
}

/// What `eval` decides, request by request.
fn actions(workshop: &Workshop, requests: &[String]) -> Vec<String> {
    let requests = requests.join("\n");
    let found = workshop.run_with("eval shop.bundle --requests -", &requests, &[]);
    let lines = found.expect(0, "");
    let action = |line: &str| {
        let verdict: Value = serde_json::from_str(line).unwrap();
        verdict["action"].as_str().unwrap().to_owned()
    };
    lines.lines().map(action).collect()
}

fn request(path: &str, headers: &str, second: u32, more: &str) -> String {
    format!(
        r#"{{"path":"{path}","headers":{{{headers}}},"time":"2026-11-11T00:00:{second:02}Z"{more}}}"#
    )
}

#[test]
fn a_batch_shares_its_counters() {
    let tap = |device: &str, second| {
        let device = format!(r#""x-device-id":"{device}""#);
        request("/api/seckill/7", &device, second, "")
    };
    let found = actions(
        &workshop(),
        &[
            tap("a", 0),
            tap("a", 3),
            tap("b", 3),
            tap("a", 9),
            // Time never runs backwards: this one comes at the ninth second too.
            tap("b", 2),
            tap("b", 9),
            tap("a", 11),
            tap("a", 40),
        ],
    );
    let (a, d) = ("allow", "deny");
    assert_eq!(found, [a, a, a, d, a, d, d, a]);
}

#[test]
fn different_values_and_no_others() {
    let pay = |card: &str| request("/pay", &format!(r#""x-card":"{card}""#), 0, "");
    let found = actions(&workshop(), &["1", "a", "1", "A", "2", "3", "4"].map(pay));
    let (a, c) = ("allow", "challenge");
    assert_eq!(found, [a, a, a, a, c, c, a]);
}

/// A filter estimates beyond 32, and `rulec` does not.
#[test]
fn however_many_different_values_there_are_the_command_line_counts_them_exactly() {
    let workshop = workshop();
    let rules = "rules: [{ id: hundred, when: counters.cards == 100, then: deny }]\n";
    workshop.write("shop/main.rules.yaml", rules);
    workshop.build("shop.bundle", "--revision 1").expect(0, "");
    let pay = |card: usize| request("/pay", &format!(r#""x-card":"{card}""#), 0, "");
    let requests: Vec<String> = (1..=102).flat_map(|card| [pay(card), pay(1)]).collect();
    let found = actions(&workshop, &requests);
    let denied: Vec<usize> = (0..found.len()).filter(|at| found[*at] == "deny").collect();
    // The hundredth card, and the first card again while there are a hundred.
    assert_eq!(denied, [198, 199]);
}

/// Each of several values is counted, and the one that was seen most is read.
#[test]
fn of_a_key_with_several_values_the_highest_count_is_read() {
    let tap = |devices: &[&str]| {
        let headers: Vec<String> = devices
            .iter()
            .map(|device| format!(r#"["x-device-id","{device}"]"#))
            .collect();
        let headers = headers.join(",");
        format!(
            r#"{{"path":"/api/seckill/7","headers":[{headers}],"time":"2026-11-11T00:00:00Z"}}"#
        )
    };
    let found = actions(
        &workshop(),
        &[
            tap(&["a"]),
            tap(&["a"]),
            tap(&["b"]),
            tap(&["b", "a"]),
            tap(&["b"]),
            tap(&[]),
            tap(&[]),
            tap(&[]),
        ],
    );
    let (a, d) = ("allow", "deny");
    // A request without the key is never counted, and reads 0.
    assert_eq!(found, [a, a, a, d, d, a, a, a]);
}

#[test]
fn responses_count_for_the_requests_after_them() {
    let login = |response: &str| request("/login", r#""x-account":"joe""#, 0, response);
    let bad = r#","response_code":200,"response_headers":{"X-Result":"bad"}"#;
    let other = r#","method":"POST","response_code":401"#;
    let found = actions(
        &workshop(),
        &[
            login(r#","response_code":401"#),
            login(r#","response_code":200"#),
            login(""),
            login(other),
            login(bad),
            login(""),
            login(r#","method":"POST""#),
            request("/login", "", 0, r#","response_code":401"#),
        ],
    );
    let (a, d) = ("allow", "deny");
    assert_eq!(found, [a, a, a, a, a, d, a, a]);
}

/// An account is known from the body alone, and cards may stand anywhere in it.
#[test]
fn bodies_make_keys_and_values() {
    let workshop = workshop();
    let manifest = r#"
language: 1
ruleset: shop
counters:
  failures:
    key: ['request.body.form["account"].trim()']
    count_when: request.url_path == "/login" && response.code == 401
    window: 5m
  cards:
    key: [client.ip]
    distinct: request.body.json["/cards/*/number"]
    count_when: request.body.json["/kind"] == "order"
    window: 5m
"#;
    let rules = r#"
rules:
  - { id: guesses, when: 'request.url_path == "/login" && counters.failures >= 2', then: deny }
  - { id: cards, when: 'request.url_path == "/pay" && counters.cards > 2', then: deny }
"#;
    workshop.write("shop/ruleset.yaml", manifest);
    workshop.write("shop/main.rules.yaml", rules);
    workshop.build("shop.bundle", "--revision 2").expect(0, "");
    let post = |path: &str, body: &str, response: u16| {
        let body = serde_json::to_string(body).unwrap();
        let more = format!(r#","method":"POST","body":{body},"response_code":{response}"#);
        request(path, "", 0, &more)
    };
    let order = |cards: &str| {
        let body = format!(r#"{{"kind":"order","cards":[{cards}]}}"#);
        post("/pay", &body, 200)
    };
    let found = actions(
        &workshop,
        &[
            post("/login", "account=joe&password=1", 401),
            post("/login", "password=2&account=+joe", 401),
            post("/login", "account=joe&password=3", 401),
            post("/login", "account=ann", 401),
            request("/login", "", 0, ""),
            order(r#"{"number":"1"},{"number":2}"#),
            order(r#"{"number":"2"}"#),
            post("/pay", r#"{"kind":"other","cards":[{"number":3}]}"#, 200),
            order(r#"{"number":"3"}"#),
        ],
    );
    let (a, d) = ("allow", "deny");
    assert_eq!(found, [a, a, d, a, a, a, a, a, d]);
}

#[test]
fn check_and_inspect_say_what_is_counted() {
    let workshop = workshop();
    let check = workshop.run("check shop");
    for (name, keys) in [("taps", 65_536), ("cards", 100), ("failures", 65_536)] {
        let note = format!("note: counter `{name}` keeps {keys} keys apart, in at most ");
        assert!(check.stderr.contains(&note), "{}", check.stderr);
    }
    check.expect(0, "shop: 3 rules, no errors");
    // Who builds often need not be told each time.
    let built = workshop.build("again.bundle", "--revision 1");
    assert!(!built.stderr.contains("note:"), "{}", built.stderr);
    let report = workshop.run("check shop --format json").expect(0, "");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["counters"][2]["window_ms"], 300_000);

    let human = workshop.run("inspect shop.bundle").expect(0, "");
    assert!(human.contains("counter      cards: different values of 600 s, 100 keys in at most "));
    assert!(human.contains("engine       version 2 or later"));
    let report = workshop.run("inspect shop.bundle --format json");
    let report: Value = serde_json::from_str(&report.expect(0, "")).unwrap();
    let counters = report["counters"].as_array().unwrap();
    let keys: Vec<&String> = counters[1].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "distinct",
            "identity",
            "max_keys",
            "memory_bytes",
            "name",
            "window_ms"
        ]
    );
    assert_eq!(counters[1]["distinct"], true);
    assert_eq!(counters[1]["identity"].as_str().unwrap().len(), 32);
}

/// A filter finds its counts again after a swap by the identity.
#[test]
fn a_counter_stays_the_same_until_what_it_counts_changes() {
    let workshop = workshop();
    let identities = |manifest: &str| {
        workshop.write("shop/ruleset.yaml", manifest);
        workshop.build("new.bundle", "--revision 2").expect(0, "");
        let report = workshop.run("inspect new.bundle --format json");
        let report: Value = serde_json::from_str(&report.expect(0, "")).unwrap();
        let counters = report["counters"].as_array().unwrap().clone();
        counters
            .iter()
            .map(|counter| counter["identity"].clone())
            .collect::<Vec<Value>>()
    };
    let before = identities(RULESET);
    assert_eq!(before.len(), 3);
    let spaced = RULESET.replace("window: 10s", "window:   10s # ten");
    assert_eq!(identities(&spaced), before);
    let longer = identities(&RULESET.replace("window: 10s", "window: 11s"));
    assert_ne!(longer[0], before[0]);
    assert_eq!(longer[1..], before[1..]);
    let other = identities(&RULESET.replace("seckill", "sale"));
    assert_ne!(other[0], before[0]);
    // What counts the same is one.
    let twice = format!(
        "{RULESET}  cards_again: {{ key: [client.ip], distinct: 'request.headers[\"x-card\"].lowerAscii()', window: 600s, max_keys: 100 }}\n"
    );
    assert_eq!(identities(&twice), before);
}
