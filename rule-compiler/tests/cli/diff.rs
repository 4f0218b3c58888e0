use serde_json::Value;

use crate::rulec::{ISSUED_AT, Outcome, Workshop};

const OLD: &str = r#"
rules:
  - id: env
    description: nobody asks for it in good faith
    when: request.url_path == "/.env"
    then: deny
  - id: probes
    when: request.url_path.matches("^/wp-[a-z]+[.]php$")
    then: deny
  - id: blocked
    when: request.headers["x-device-id"] in lists.blocked
    then: deny
  - id: agent
    when: request.useragent.contains("sqlmap")
    then: { score: 30, tag: { client: scanner } }
  - id: gone
    when: request.method == "TRACE" && client.ip in ["10.0.0.0/8"]
    then: deny
  - id: pair
    when: request.host == "a" && request.scheme == "https"
    then: deny
"#;

const NEW: &str = r#"
rules:
  - id: env
    description: nobody asks for it
    when: request.url_path.lowerAscii() == "/.env"
    then: deny
  - id: probes
    when: request.url_path.matches("^/wp-[a-z]+[.]php$")
    then: { deny: { status: 404 } }
  - id: blocked
    when: request.headers["x-device-id"] in lists.blocked
    then: deny
  - id: agent
    when: request.useragent.contains("sqlmap")
    then: { score: 60, tag: { client: scanner } }
  - id: pair
    when: request.scheme == "https" && request.host == "a"
    then: deny
  - id: trial
    stage: shadow
    when: int(request.params["page"]) > 200
    then: deny
"#;

const MANIFEST: &str = r#"
language: 1
ruleset: shop
score_bands: [{ at_least: 50, then: deny }]
lists: { blocked: { type: string, values: [VALUES] } }
"#;

/// Folders `old` and `new`, and bundles of them.
fn workshop() -> Workshop {
    let workshop = Workshop::furnished();
    for (name, rules, values) in [("old", OLD, "d-1, d-2"), ("new", NEW, "d-2, d-3, d-4")] {
        let manifest = MANIFEST.replace("VALUES", values);
        workshop.write(&format!("{name}/ruleset.yaml"), manifest);
        workshop.write(&format!("{name}/main.rules.yaml"), rules);
        let args = format!(
            "build {name} --key signer.pem --issued-at {ISSUED_AT} --revision 1 -o {name}.bundle"
        );
        workshop.run(&args).expect(0, "");
    }
    workshop
}

fn json(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.expect(0, "")).unwrap()
}

#[test]
fn people_read_what_changed_and_for_whom() {
    let stdout = workshop().run("diff old.bundle new.bundle").expect(0, "");
    insta::assert_snapshot!(stdout);
}

#[test]
fn folders_are_compared_too_and_say_more() {
    let workshop = workshop();
    let changed = OLD.replace("wp-[a-z]+", "wp-[0-9]+");
    workshop.write("old/main.rules.yaml", changed);
    let stdout = workshop.run("diff old new.bundle").expect(0, "");
    insta::assert_snapshot!(stdout);
}

#[test]
fn machines_read_the_same_in_json() {
    let mut report = json(workshop().run("diff old.bundle new.bundle --format json"));
    for side in ["old", "new"] {
        let digest = report[side]["digest"].take();
        assert_eq!(digest.as_str().unwrap().len(), 64);
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

/// What is printed can be given to `rulec eval`, which says the same.
#[test]
fn witnesses_are_requests_that_eval_takes() {
    let workshop = workshop();
    let report = json(workshop.run("diff old.bundle new.bundle --format json"));
    let rules = report["rules"].as_array().unwrap();
    let witnesses: Vec<&Value> = rules
        .iter()
        .map(|rule| &rule["witness"])
        .filter(|witness| !witness.is_null())
        .collect();
    assert!(witnesses.len() >= 5, "{report:#}");
    for witness in witnesses {
        for side in ["old", "new"] {
            let args = format!("eval {side}.bundle --requests -");
            let request = witness["request"].to_string();
            let verdict = workshop.run_with(&args, &request, &[]).expect(0, "");
            let verdict: Value = serde_json::from_str(&verdict).unwrap();
            assert_eq!(verdict, witness[side], "{request}");
        }
    }
}

#[test]
fn nothing_is_nothing() {
    let workshop = workshop();
    let same = workshop.run("diff old.bundle old --fail-on-flip");
    assert_eq!(same.expect(0, "").lines().last(), Some("no change"));
    let report = json(workshop.run("diff old old --format json"));
    assert_eq!(report["rules"], serde_json::json!([]));
    assert_eq!(report["policy"], Value::Null);
}

/// A rule alone, against none: the witness is whatever matches it.
#[test]
fn parts_of_requests_are_made_as_rules_want_them() {
    let workshop = Workshop::empty();
    let rules = |name: &str, rules: &str| {
        let manifest = r#"
language: 1
ruleset: shop
counters:
  all: { key: [source.ip], window: 10s }
  taps:
    key: ['request.headers["x-device"]']
    window: 10s
    count_when: request.url_path.startsWith("/sale")
"#;
        workshop.write(&format!("{name}/ruleset.yaml"), manifest);
        workshop.write(&format!("{name}/a.rules.yaml"), rules);
    };
    rules("none", "rules: []");
    let cases = [
        (
            r#"request.body.form["account"] == "a b""#,
            r#"{"body":"account=a%20b","path":"/"}"#,
        ),
        (
            r#"int(request.body.json["/items/*/qty"]) > 9 && request.body.json["/kind"] == "x""#,
            r#"{"body":"{\"items\":[{\"qty\":\"10\"}],\"kind\":\"x\"}","path":"/"}"#,
        ),
        (
            r#"request.params["a"] == "&" && request.params["b"].length() == 3"#,
            r#"{"path":"/?a=%26&b=xxx"}"#,
        ),
        (
            r#"request.cookies["c"].base64Decode().startsWith("O:")"#,
            r#"{"headers":[["cookie","c=Tzo="]],"path":"/"}"#,
        ),
        (
            r#"source.ip in ["10.0.0.0/8"] && source.ip != "10.0.0.0""#,
            r#"{"path":"/","source_ip":"10.255.255.255"}"#,
        ),
        (
            r#"request.time > timestamp("2026-11-11T00:00:00Z")"#,
            r#"{"path":"/","time":"2026-11-11T00:00:00.000001Z"}"#,
        ),
        (
            r#"connection.mtls && auth.claims["sub"] == "42""#,
            r#"{"claims":{"sub":"42"},"path":"/","peer_uri_san":"spiffe://example.com/client"}"#,
        ),
        (
            r#"size(request.headers["x-card"]) > 2"#,
            r#"{"headers":[["x-card","x"],["x-card","x"],["x-card","x"]],"path":"/"}"#,
        ),
        (
            r#"request.path.matches("^/[0-9]{3}/a$") && !request.path.contains("0")"#,
            r#"{"path":"/111/a"}"#,
        ),
        ("counters.all > 5", r#"{"path":"/"}"#),
        (
            "counters.taps >= 6",
            r#"{"headers":[["x-device","x"]],"path":"/sale"}"#,
        ),
    ];
    for (when, expected) in cases {
        rules(
            "one",
            &format!("rules:\n  - id: one\n    when: '{when}'\n    then: deny\n"),
        );
        let report = json(workshop.run("diff none one --format json"));
        let one = &report["rules"][0];
        assert_eq!(one["effect"], "flips", "{when}: {report:#}");
        assert_eq!(one["witness"]["request"].to_string(), expected, "{when}");
        let repeat = if when.contains("counters") { 6 } else { 1 };
        assert_eq!(one["witness"]["repeat"], repeat, "{when}");
    }
}

#[test]
fn exit_codes() {
    let workshop = workshop();
    workshop.write("empty.bundle", "");
    workshop.write("broken/ruleset.yaml", "language: 1\n");
    let cases = [
        ("diff old.bundle new.bundle", 0, ""),
        (
            "diff old.bundle new.bundle --fail-on-flip",
            1,
            "--fail-on-flip: ",
        ),
        (
            "diff empty.bundle new.bundle",
            1,
            "cannot use `empty.bundle`",
        ),
        ("diff old.bundle broken", 1, "error[R0007]"),
        ("diff old.bundle none", 2, "cannot read bundle `none`"),
        ("diff old.bundle", 2, "<NEW>"),
    ];
    for (args, code, words) in cases {
        workshop.run(args).expect(code, words);
    }
}

/// What a request needs to be counted stands in the counter and not in the rule.
#[test]
fn a_limit_that_rose_has_a_witness_that_is_counted() {
    let workshop = workshop();
    for (name, limit) in [("low", 3), ("high", 4)] {
        let manifest = r#"
language: 1
ruleset: shop
counters:
  sale_by_device:
    key: ['request.headers["x-device-id"]']
    window: 10s
    count_when: request.method == "POST" && request.url_path.startsWith("/sale/")
"#;
        workshop.write(&format!("{name}/ruleset.yaml"), manifest);
        let rule = format!(
            "rules:\n  - id: burst\n    when: counters.sale_by_device > {limit}\n    then: deny\n"
        );
        workshop.write(&format!("{name}/a.rules.yaml"), rule);
    }
    let report = json(workshop.run("diff low high --format json"));
    let burst = &report["rules"][0];
    assert_eq!(burst["effect"], "flips", "{report:#}");
    let expected = r#"{"headers":[["x-device-id","x"]],"method":"POST","path":"/sale/"}"#;
    assert_eq!(burst["witness"]["request"].to_string(), expected);
    assert_eq!(burst["witness"]["repeat"], 4);
}

/// A rule that decides before the changed one does so in its window only.
#[test]
fn a_flip_behind_an_active_window_is_found_outside_of_it() {
    let workshop = workshop();
    for (name, status) in [("before", 403), ("after", 429)] {
        workshop.write(
            &format!("{name}/ruleset.yaml"),
            "language: 1\nruleset: shop\n",
        );
        let rules = format!(
            r#"rules:
  - id: closed
    priority: 10
    active: {{ from: 2025-12-01T00:00:00Z, until: 2026-02-01T00:00:00Z }}
    when: request.method == "PUT"
    then: {{ deny: {{ status: 451 }} }}
  - {{ id: put, when: request.method == "PUT", then: {{ deny: {{ status: {status} }} }} }}
"#
        );
        workshop.write(&format!("{name}/a.rules.yaml"), rules);
    }
    let report = json(workshop.run("diff before after --format json"));
    let put = &report["rules"][0];
    assert_eq!(put["effect"], "flips", "{report:#}");
    let expected = r#"{"method":"PUT","path":"/","time":"2026-02-01T00:00:00Z"}"#;
    assert_eq!(put["witness"]["request"].to_string(), expected);
}
