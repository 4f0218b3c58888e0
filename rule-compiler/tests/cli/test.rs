use serde_json::{Value, json};

use crate::rulec::{Outcome, Workshop};

/// The ruleset `shop` with these tests.
fn with_tests(tests: &str) -> Workshop {
    let workshop = Workshop::with_ruleset();
    workshop.write("shop/tests/shop.test.yaml", tests);
    workshop
}

fn test(tests: &str) -> Outcome {
    with_tests(tests).run("test shop")
}

#[test]
fn every_key_of_a_verdict_can_be_checked() {
    let tests = r#"
tests:
  - name: a file of secrets
    request: { path: /.env }
    expect: { action: deny, status: 403, rule: env, band: null, score: 0, tags: {}, matched: [env], shadowed: [], would: deny }
  - name: a scanner
    request: { path: /, headers: { user-agent: sqlmap/1.8 } }
    expect: { action: allow, status: null, rule: null, score: 10, tags: { client: scanner, beta: 2, alpha: 1 }, matched: [agent] }
  - name: repeated headers
    request: { path: /, headers: [[x-many, a], { name: x-many, value_b64: /w== }] }
    expect: { action: allow, shadowed: [many], would: challenge }
"#;
    assert_eq!(test(tests).expect(0, ""), "shop: 3 tests, all passed\n");
}

#[test]
fn a_name_writes_nothing_to_a_terminal_but_itself() {
    let tests = r#"tests:
  - name: "evil\e[31m\nPASSED \"all\""
    request: { path: /.env }
    expect: { tags: { client: "x\e[2J" } }
"#;
    let told = test(tests).expect(1, "");
    assert!(told.contains(r#": evil\u{1b}[31m\nPASSED "all""#), "{told}");
    assert!(told.contains(r"expected { client: x\u{1b}[2J }"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_failure_says_where_what_and_why() {
    let tests = r#"tests:
  - name: passes
    request: { path: /.env }
    expect: { rule: env }
  - name: secrets
    request: { path: /.env }
    expect:
      action: allow
      status: null
      matched: [agent]
  - name: a scanner
    request: { path: /, headers: { user-agent: sqlmap/1.8 } }
    expect: { rule: env, tags: { client: scanner }, score: 5 }
"#;
    let expected = "\
FAILED shop/tests/shop.test.yaml:5: secrets
  shop/tests/shop.test.yaml:8: at 2026-01-01T00:00:00Z
    action: expected allow, got deny
    status: expected none, got 403
    matched: expected [agent], got [env]
    rule `env` (main.rules.yaml:3) decided
    `agent` (main.rules.yaml:9) did not match

FAILED shop/tests/shop.test.yaml:11: a scanner
  shop/tests/shop.test.yaml:13: at 2026-01-01T00:00:00Z
    rule: expected env, got none
    score: expected 5, got 10
    tags: expected { client: scanner }, got { alpha: 1, beta: 2, client: scanner }
    no rule and no score band decided, with a score of 10: the default holds
    `env` (main.rules.yaml:3) did not match

shop: 3 tests, 1 passed, 2 failed
";
    assert_eq!(test(tests).expect(1, ""), expected);
}

/// The rule `evening` is active from 20:00 until 22:00.
#[test]
fn the_clock_of_a_sequence_is_its_own() {
    let tests = r#"
tests:
  - name: into the window and out of it
    sequence:
      - { every: 1s, request: { path: /sale, time: 2026-11-05T19:59:59Z }, expect: { matched: [] } }
      - { repeat: 2, every: 1h, request: { path: /sale }, expect: { matched: [evening] } }
      - { request: { path: /sale }, expect: { matched: [] } }
  - name: a test begins anew
    sequence:
      - { every: 500ms, request: { path: /sale }, expect: { matched: [] } }
      - { request: { path: /sale, time: 2026-11-05T21:59:59.999Z }, expect: { matched: [evening] } }
  - name: the fixed start
    request: { path: /sale }
    expect: { matched: [] }
"#;
    assert_eq!(test(tests).expect(0, ""), "shop: 3 tests, all passed\n");
}

#[test]
fn a_failed_step_is_told_once() {
    let tests = r#"tests:
  - name: out of the window
    sequence:
      - repeat: 4
        every: 1h
        request: { path: /sale, time: 2026-11-05T20:30:00Z }
        expect: { score: 1 }
"#;
    let stdout = test(tests).expect(1, "");
    let heading = "  shop/tests/shop.test.yaml:7: step 1, request 3 of 4, the first of 2 that failed, at 2026-11-05T22:30:00Z\n";
    assert!(stdout.contains(heading), "{stdout}");
    assert_eq!(stdout.matches("expected 1, got 0").count(), 1, "{stdout}");
    let tests = "tests: [{ name: a, request: { path: /sale }, expect: { matched: [evening] } }]";
    let stdout = test(tests).expect(1, "");
    assert!(
        stdout.contains("`evening` (main.rules.yaml:16) was not `active` then"),
        "{stdout}"
    );
}

#[test]
fn a_run_of_nothing_is_a_finding() {
    let workshop = Workshop::with_ruleset();
    let words = "no tests in shop/tests; write one into a file there";
    assert_eq!(workshop.run("test shop").expect(1, words), "");
    workshop.write("shop/tests/shop.test.yaml", "tests: []");
    assert_eq!(workshop.run("test shop").expect(1, words), "");
    let tests = "tests: [{ name: one two, request: { path: / }, expect: { action: allow } }]";
    workshop.write("shop/tests/shop.test.yaml", tests);
    let run = |more: &str| workshop.run(&format!("test shop {more}"));
    assert_eq!(
        run("--only two").expect(0, ""),
        "shop: 1 test, all passed\n"
    );
    assert_eq!(
        run("--only three").expect(1, "no test has `three` in its name"),
        ""
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let workshop =
        with_tests("tests:\n  - { name: a, request: { path: / }, expect: { rule: evn } }\n");
    workshop
        .run("test shop")
        .expect(1, "--> shop/tests/shop.test.yaml:2:54");
    workshop.run("test shop").expect(1, "did you mean `env`?");
    workshop.write("shop/tests/shop.test.yaml", "");
    workshop
        .run("test shop")
        .expect(1, "error[R0007]: the file is empty");
    workshop.write("shop/tests/more.yaml", "");
    workshop
        .run("test shop")
        .expect(1, "shop/tests/more.yaml is not read; name it X.test.yaml");
    workshop.write(
        "shop/broken.rules.yaml",
        "rules: [{ id: x, when: nonsense, then: deny }]",
    );
    workshop.run("test shop").expect(1, "broken.rules.yaml:1:");
    workshop.run("test missing").expect(2, "missing");
}

const TWO: &str = r#"tests:
  - { name: 'passes & stays "good"', request: { path: /.env }, expect: { rule: env } }
  - { name: fails, request: { path: /.env }, expect: { action: allow, score: 1 } }
"#;

#[test]
fn a_report_for_ci_servers() {
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="shop" tests="2" failures="1" errors="0" skipped="0">
  <testsuite name="tests/shop.test.yaml" tests="2" failures="1" errors="0" skipped="0">
    <testcase name="passes &amp; stays &quot;good&quot;" classname="shop.tests/shop.test.yaml" file="shop/tests/shop.test.yaml" line="2"/>
    <testcase name="fails" classname="shop.tests/shop.test.yaml" file="shop/tests/shop.test.yaml" line="3">
      <failure type="expectation" message="action: expected allow, got deny">FAILED shop/tests/shop.test.yaml:3: fails
  shop/tests/shop.test.yaml:3: at 2026-01-01T00:00:00Z
    action: expected allow, got deny
    score: expected 1, got 0
    rule `env` (main.rules.yaml:3) decided
</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
    let workshop = with_tests(TWO);
    let found = workshop.run("test shop --format junit").expect(1, "");
    assert_eq!(found, expected);
    let passed = workshop
        .run("test shop --format junit --only passes")
        .expect(0, "");
    assert!(passed.contains(r#"tests="1" failures="0""#), "{passed}");
}

#[test]
fn a_report_for_programs() {
    let stdout = with_tests(TWO).run("test shop --format json").expect(1, "");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let expected = json!({
        "version": 1,
        "ruleset": "shop",
        "tests": [
            {
                "name": "passes & stays \"good\"", "file": "shop/tests/shop.test.yaml", "line": 2,
                "passed": true, "requests": 1, "failures": []
            },
            {
                "name": "fails", "file": "shop/tests/shop.test.yaml", "line": 3,
                "passed": false, "requests": 1,
                "failures": [{
                    "file": "shop/tests/shop.test.yaml", "line": 3, "step": null, "repetition": 1, "repeat": 1,
                    "failed": 1, "at": "2026-01-01T00:00:00Z", "request": { "path": "/.env" },
                    "mismatches": [
                        { "key": "action", "expected": "allow", "actual": "deny", "file": "shop/tests/shop.test.yaml", "line": 3 },
                        { "key": "score", "expected": 1, "actual": 0, "file": "shop/tests/shop.test.yaml", "line": 3 }
                    ],
                    "verdict": {
                        "action": "deny", "status": 403, "rule": "env", "band": null, "score": 0, "tags": {},
                        "matched": ["env"], "shadowed": [], "would": "deny"
                    },
                    "why": ["rule `env` (main.rules.yaml:3) decided"]
                }]
            }
        ],
        "summary": { "tests": 2, "passed": 1, "failed": 1, "requests": 2 }
    });
    assert_eq!(found, expected);
}

const COVERED: &str = r#"
rules:
  - id: login-scripts
    when:
      all:
        - request.method == "POST" && request.url_path == "/login"
        - any:
            - not: has(request.headers["accept-language"])
            - "false"
            - request.useragent.matches("curl|wget")
    then: deny
  - { id: always, when: true, then: { tag: { a: b } } }
  - { id: never, stage: shadow, when: request.useragent != "x", then: deny }
"#;

/// Every test of a condition counts, whether or not the decision had to look at it.
#[test]
fn what_no_test_shows_is_told_with_its_place() {
    let workshop = with_tests(
        "tests: [{ name: a, request: { path: /login, method: POST, headers: { user-agent: curl } }, expect: { action: deny } }]",
    );
    workshop.write("shop/main.rules.yaml", COVERED);
    let expected = "shop: 1 test, all passed
shop/main.rules.yaml:3: rule `login-scripts` was matched by every request of the tests
shop/main.rules.yaml:6:11: `request.method == \"POST\"` was never false
shop/main.rules.yaml:6:39: `request.url_path == \"/login\"` was never false
shop/main.rules.yaml:8:24: `has(request.headers[\"accept-language\"])` was never true
shop/main.rules.yaml:10:15: `request.useragent.matches(\"curl|wget\")` was never false
shop/main.rules.yaml:13: rule `never` was matched by every request of the tests
shop/main.rules.yaml:13:39: `request.useragent == \"x\"` was never true
coverage: 53.3 %, 8 of 15 sides of rules and their tests
";
    assert_eq!(workshop.run("test shop --coverage").expect(0, ""), expected);
    let json = workshop
        .run("test shop --coverage --format json")
        .expect(0, "");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["coverage"]["sides"], 15);
    assert_eq!(
        json["coverage"]["gaps"][1],
        json!({
            "file": "shop/main.rules.yaml", "line": 6, "column": 11, "rule": "login-scripts",
            "atom": "request.method == \"POST\"", "never": "false"
        })
    );
    let junit = workshop.run("test shop --coverage --format junit");
    assert!(junit.expect(0, "coverage: 53.3 %").starts_with("<?xml"));
    workshop.run("test shop --min-coverage 53.3").expect(0, "");
    workshop
        .run("test shop --min-coverage 53.4")
        .expect(1, "the tests cover 53.3 %, and 53.4 % are wanted");
    workshop
        .run("test shop --min-coverage 101")
        .expect(2, "a number from 0 to 100");
}

#[test]
fn tests_of_both_sides_cover_everything() {
    let workshop = with_tests(
        "tests:
  - { name: a, request: { path: /login, method: POST, headers: { user-agent: curl } }, expect: { action: deny } }
  - { name: b, request: { path: /, headers: { user-agent: x, accept-language: en } }, expect: { action: allow } }
",
    );
    workshop.write("shop/main.rules.yaml", COVERED);
    let stdout = workshop
        .run("test shop --coverage --min-coverage 100")
        .expect(0, "");
    assert!(
        stdout.ends_with("coverage: 100.0 %, 15 of 15 sides of rules and their tests\n"),
        "{stdout}"
    );
}
