//! `--attributes`: what a custom filter knows of requests.

use crate::rulec::Workshop;

const DECLARED: &str = "attributes:
  - { name: device.risk_score, type: int }
  - { name: device.trust, type: double }
  - { name: device.known, type: bool }
  - { name: device.tags, type: strings }
  - { name: session.id, type: string }
  - { name: session.began, type: timestamp }
  - { name: device.proxy, type: ip }
  - { name: device.unread, type: string }
";

const RULES: &str = r#"rules:
  - { id: risky, when: device.risk_score > 80, then: deny }
  - { id: trusted, when: device.trust >= 0.5, then: { score: 1 } }
  - { id: unknown, when: device.known == false, then: { score: 2 } }
  - { id: known, when: device.known, then: { score: 4 } }
  - { id: tagged, when: 'device.tags in ["bot", "tor"]', then: { score: 8 } }
  - { id: session, when: 'session.id.lowerAscii().startsWith("a")', then: { score: 16 } }
  - { id: present, when: has(device.risk_score), then: { score: 32 } }
  - { id: young, when: 'session.began >= timestamp("2026-11-23T10:00:00.5Z")', then: { score: 64 } }
  - { id: proxied, when: 'device.proxy in ["10.0.0.0/8", "2001:db8::/32"]', then: { score: 128 } }
  - { id: one-proxy, when: 'device.proxy == "192.0.2.7" && device.proxy in lists.exits', then: { score: 256 } }
  - { id: has-proxy, when: has(device.proxy), then: { score: 512 } }
"#;

const MANIFEST: &str = "language: 1
ruleset: custom
lists:
  exits: { type: cidr, values: [192.0.2.0/24] }
";

const TESTS: &str = "tests:
  - { name: risky, request: { path: /, attributes: { device.risk_score: '81' } }, expect: { action: deny } }
";

fn workshop() -> Workshop {
    let workshop = Workshop::furnished();
    workshop.write("custom/ruleset.yaml", MANIFEST);
    workshop.write("custom/attributes.yaml", DECLARED);
    workshop.write("custom/a.rules.yaml", RULES);
    workshop.write("custom/tests/a.test.yaml", TESTS);
    workshop
}

const BUILD: &str = "build custom --attributes custom/attributes.yaml --revision 1 --key signer.pem -o custom.bundle";

#[test]
fn rules_read_what_a_custom_filter_knows() {
    let workshop = workshop();
    workshop.run(BUILD).expect(0, "custom: 11 rules");
    let cases = [
        (r#"{}"#, "[]"),
        (r#"{"device.risk_score":"81"}"#, r#"["risky","present"]"#),
        (r#"{"device.risk_score":"80"}"#, r#"["present"]"#),
        (r#"{"device.risk_score":"much"}"#, "[]"),
        (r#"{"device.trust":"0.5"}"#, r#"["trusted"]"#),
        (r#"{"device.known":"false"}"#, r#"["unknown"]"#),
        (r#"{"device.known":"true"}"#, r#"["known"]"#),
        (r#"{"device.known":"yes"}"#, "[]"),
        (
            r#"[["device.tags","x"],["device.tags","tor"]]"#,
            r#"["tagged"]"#,
        ),
        (
            r#"{"session.id":"ABC","device.tags":"x"}"#,
            r#"["session"]"#,
        ),
    ];
    let cases = cases.into_iter().chain([
        (r#"{"session.began":"1795428000.5"}"#, r#"["young"]"#),
        (r#"{"session.began":"1795428000.4999"}"#, "[]"),
        (r#"{"session.began":"2026-11-23"}"#, "[]"),
        (
            r#"{"device.proxy":"10.1.2.3"}"#,
            r#"["proxied","has-proxy"]"#,
        ),
        (
            r#"{"device.proxy":"::ffff:10.1.2.3"}"#,
            r#"["proxied","has-proxy"]"#,
        ),
        (
            r#"{"device.proxy":"2001:db8::7"}"#,
            r#"["proxied","has-proxy"]"#,
        ),
        (
            r#"{"device.proxy":"192.0.2.7"}"#,
            r#"["one-proxy","has-proxy"]"#,
        ),
        (r#"{"device.proxy":"192.0.2.8"}"#, r#"["has-proxy"]"#),
        (r#"{"device.proxy":"10.1.2"}"#, "[]"),
    ]);
    for (attributes, matched) in cases {
        let request = format!(r#"{{"path":"/","attributes":{attributes}}}"#);
        let verdict = workshop
            .run_with("eval custom.bundle --requests -", &request, &[])
            .expect(0, "");
        let matched = format!(r#""matched":{matched}"#);
        assert!(verdict.contains(&matched), "{attributes}: {verdict}");
    }
    workshop
        .run("inspect custom.bundle")
        .expect(0, "")
        .lines()
        .find(|line| line.contains("version 2 or later"))
        .expect("the line about the engine");
}

#[test]
fn every_verb_that_reads_a_folder_takes_them() {
    let workshop = workshop();
    let flag = "--attributes custom/attributes.yaml";
    workshop.run(BUILD).expect(0, "");
    workshop
        .run(&format!("check custom {flag}"))
        .expect(0, "no errors");
    let tested = workshop
        .run(&format!("test custom {flag} --coverage"))
        .expect(0, "");
    assert!(tested.contains("1 test, all passed"), "{tested}");
    workshop.write("custom/a.rules.yaml", RULES.replace("> 80", "> 70"));
    let diff = workshop
        .run(&format!("diff custom.bundle custom {flag}"))
        .expect(0, "");
    let witness = r#""attributes":[["device.risk_score","71"]]"#;
    assert!(diff.contains(witness), "{diff}");
    workshop.write(
        "custom/a.rules.yaml",
        RULES.replace("10.0.0.0/8", "10.0.0.0/9"),
    );
    let diff = workshop
        .run(&format!("diff custom.bundle custom {flag}"))
        .expect(0, "");
    let witness = r#""attributes":[["device.proxy","10."#;
    assert!(diff.contains(witness), "{diff}");
    workshop.write("custom/a.rules.yaml", RULES.replace("> 80", "> 70"));
    let request = r#"{"path":"/","attributes":{"device.risk_score":"75"}}"#;
    let explain = format!("explain custom {flag} --request -");
    let story = workshop.run_with(&explain, request, &[]).expect(0, "");
    assert!(story.contains("int(device.risk_score) > 70"), "{story}");
}

#[test]
fn what_is_undeclared_or_unreadable_is_said() {
    let workshop = workshop();
    workshop
        .run("check custom")
        .expect(1, "in a file for `--attributes`");
    workshop
        .run("check custom --attributes custom/none.yaml")
        .expect(2, "none.yaml");
    workshop.write(
        "elsewhere.yaml",
        DECLARED.replace("session.id", "client.id"),
    );
    workshop
        .run("check custom --attributes elsewhere.yaml")
        .expect(1, "elsewhere.yaml:6:");
}

const SLIP: &str = r#"{"path":"/","attributes":{"device.unread":"1","Device.Risk_Scor":"81"}}"#;
const MEANT: &str =
    "no custom attribute has the name `device.risk_scor`; did you mean `device.risk_score`?";

#[test]
fn a_request_has_only_what_was_declared() {
    let workshop = workshop();
    workshop.run(BUILD).expect(0, "");
    let flag = "--attributes custom/attributes.yaml";
    let asked = |args: &str, request: &str| workshop.run_with(args, request, &[]);
    for args in [
        "eval custom.bundle --requests -",
        "replay custom.bundle --traffic -",
        "explain custom.bundle --request -",
        &format!("explain custom {flag} --request -"),
    ] {
        assert_eq!(asked(args, SLIP).expect(2, MEANT), "");
        let declared = r#"{"path":"/","attributes":[["Device.Unread","1"],["device.tags","x"]]}"#;
        asked(args, declared).expect(0, "");
    }
    let skipped = asked(
        "replay custom.bundle --traffic - --on-bad-line skip --format json",
        &format!("{SLIP}\n{{\"path\":\"/\"}}"),
    );
    let report = skipped.expect(0, MEANT);
    assert!(report.contains(r#""bad_lines": 1"#), "{report}");
    let far = r#"{"path":"/","attributes":{"vip":"1"}}"#;
    let undeclared = "no custom attribute has the name `vip`; declare it in the file for";
    asked("eval shop.bundle --requests -", far).expect(2, undeclared);
}

/// Each of two bundles is replayed with what it knows of the same traffic.
#[test]
fn a_baseline_may_know_others() {
    let workshop = workshop();
    workshop.run(BUILD).expect(0, "");
    let known = r#"{"path":"/","attributes":{"device.risk_score":"81"}}"#;
    let replay = |bundles: &str| {
        let args = format!("replay {bundles} --traffic -");
        workshop.run_with(&args, known, &[])
    };
    replay("shop.bundle").expect(2, "declare it");
    replay("shop.bundle --baseline custom.bundle").expect(0, "");
    replay("custom.bundle --baseline shop.bundle").expect(0, "");
}

#[test]
fn a_test_is_told_where_its_slip_stands() {
    let workshop = workshop();
    let tests = r#"tests:
  - name: map
    request: { path: /, attributes: { device.trust: "1", device.risk_scor: "81" } }
    expect: { action: deny }
  - name: list
    request: { path: /, attributes: [[device.trust, "1"], [device.risk_scor, "81"]] }
    expect: { action: deny }
  - name: objects
    request:
      path: /
      attributes:
        - { name: device.trust, value: "1" }
        - { value: "81", name: device.risk_scor }
    expect: { action: deny }
"#;
    workshop.write("custom/tests/a.test.yaml", tests);
    let told = workshop.run("test custom --attributes custom/attributes.yaml");
    let errors = told.stderr.clone();
    told.expect(1, "help: did you mean `device.risk_score`?");
    for place in [":3:58", ":6:60", ":13:32"] {
        assert!(errors.contains(place), "{place}: {errors}");
    }
}
