use riskgate_compiler::diagnostic::Code;
use serde_json::{Value, json};

use crate::rulec::Workshop;

#[test]
fn a_code_has_a_page() {
    let workshop = Workshop::empty();
    let page = workshop.run("explain R0105").expect(0, "");
    assert!(
        page.starts_with("# R0105: AlwaysChecked (warning)\n\n"),
        "{page}"
    );
    assert!(page.contains("```yaml\nwhen: '!("), "{page}");
    assert_eq!(workshop.run("explain r0105").expect(0, ""), page);
    for code in Code::ALL {
        let page = workshop.run(&format!("explain {code}")).expect(0, "");
        assert!(page.starts_with(&format!("# {code}: ")), "{page}");
        // What it is, an example, and what to do.
        let paragraphs = page.split("\n\n").count();
        assert!(paragraphs >= 4 && page.contains("```yaml\n"), "{page}");
    }
    workshop
        .run("explain R9999")
        .expect(2, "`R9999`: there is no such code");
}

#[test]
fn all_codes_are_listed() {
    let workshop = Workshop::empty();
    let list = workshop.run("explain").expect(0, "");
    assert_eq!(list, workshop.run("explain --list").expect(0, ""));
    assert_eq!(list.lines().count(), Code::ALL.len());
    for (line, code) in list.lines().zip(Code::ALL) {
        assert!(line.starts_with(&code.to_string()), "{line}");
    }
}

const RULES: &str = r#"
rules:
  - id: scanners
    description: tools that no customer uses
    priority: 10
    when:
      all:
        - request.useragent.lowerAscii().matches("sqlmap|nikto\\d")
        - any: [request.method == "POST", 'request.url_path in ["/a", "/b"]']
        - not: client.ip in lists.office
    then: { challenge: { redirect: "https://verify.example.com/?r={request.path}" }, score: 7 }
  - { id: any-item, when: 'request.url_path.startsWith("/item/") && size(request.params["q"]) > 1', then: deny }
  - { id: try-out, stage: shadow, when: 'has(request.headers["user-agent"])', then: { deny: {}, tag: { a: b } } }
  - { id: later, active: { from: 2027-01-01T00:00:00Z }, when: true, then: { score: 5 } }
"#;

fn workshop(request: &str) -> Workshop {
    let workshop = Workshop::furnished();
    let manifest = "language: 1\nruleset: shop\nttl: 7d\nlists: { office: { type: cidr, values: [10.0.0.0/8] } }\n";
    workshop.write("shop/ruleset.yaml", manifest);
    workshop.write("shop/main.rules.yaml", RULES);
    workshop.build("shop.bundle", "--revision 4").expect(0, "");
    workshop.write("request.json", request);
    workshop
}

const SCAN: &str = r#"{
  "method": "POST", "path": "/a?b",
  "headers": { "user-agent": "SQLMAP/1.8 \u001b[2J" },
  "source_ip": "192.0.2.7",
  "time": "2026-11-23T10:00:00Z"
}"#;

#[test]
fn a_verdict_is_a_tree_of_what_the_request_made_true() {
    let expected = r#"challenge 302: rule `scanners` decided
score: 7 = +7 scanners
reply: location: https://verify.example.com/?r=%2Fa%3Fb
at 2026-11-23T10:00:00Z, by shop revision 4

`scanners` (main.rules.yaml:3) matched and decided; 1st in the order of decision; then challenge by a redirect, score +7
  # tools that no customer uses
  yes all
    yes any
      yes request.method == "POST"   <- "POST"
      yes request.url_path in ["/a", "/b"]   <- "/a"
    yes not client.ip in lists.office   <- 192.0.2.7
    yes request.useragent.lowerAscii().matches(..)   <- "sqlmap/1.8 \u{1b}[2j"

`try-out` (main.rules.yaml:13) matched, but is not enforced; 3rd in the order of decision; then deny 403, tag, in the shadow
  yes has(request.useragent)   <- "SQLMAP/1.8 \u{1b}[2J"
"#;
    let workshop = workshop(SCAN);
    let found = workshop.run("explain shop.bundle --request request.json");
    assert_eq!(found.expect(0, ""), expected);
    let with_source = expected
        .replace("matches(..)", r#"matches(r"sqlmap|nikto\d")"#)
        .replace(" revision 4", "");
    let found = workshop.run("explain shop --request request.json");
    assert_eq!(found.expect(0, ""), with_source);
}

#[test]
fn rules_that_nearly_matched_and_one_that_was_asked_for() {
    let workshop = workshop(r#"{"path":"/item/1?q=1","time":"2026-11-23T10:00:00Z"}"#);
    let run = |more: &str| {
        workshop.run(&format!(
            "explain shop.bundle --request request.json {more}"
        ))
    };
    let near = run("").expect(0, "");
    let expected = r#"
`any-item` (main.rules.yaml:12) did not match; 2nd in the order of decision; then deny 403
  no  all
    yes request.url_path.startsWith("/item/")   <- "/item/1"
    no  size(request.params["q"]) > 1   <- "1"
"#;
    assert!(
        near.starts_with("allow: no rule and no score band decided: the default holds\n"),
        "{near}"
    );
    assert!(near.ends_with(expected), "{near}");
    let missed = run("--rule scanners").expect(0, "");
    assert!(
        missed.contains("no  request.method == \"POST\"   <- \"GET\""),
        "{missed}"
    );
    assert!(missed.contains("matches(..)   <- absent"), "{missed}");
    let inactive = run("--rule later").expect(0, "");
    assert!(
        inactive.contains("`later` (main.rules.yaml:14) is not active at this time"),
        "{inactive}"
    );
    run("--rule scaners").expect(2, "no rule has the id `scaners`; did you mean `scanners`?");
    run("--rule 0").expect(
        2,
        "no rule has the id `0`; `rulec inspect --format json` lists",
    );
}

#[test]
fn an_explanation_for_programs() {
    let workshop = workshop(SCAN);
    let run = workshop.run("explain shop --request request.json --rule scanners --format json");
    let found: Value = serde_json::from_str(&run.expect(0, "")).unwrap();
    let test = |text: &str, negated: bool, value: &str| json!({ "test": text, "negated": negated, "holds": true, "values": [value] });
    let any = json!({ "holds": true, "any": [
        test("request.method == \"POST\"", false, "\"POST\""),
        test("request.url_path in [\"/a\", \"/b\"]", false, "\"/a\""),
    ] });
    let pattern = test(
        r#"request.useragent.lowerAscii().matches(r"sqlmap|nikto\d")"#,
        false,
        r#""sqlmap/1.8 \u{1b}[2j""#,
    );
    let expected = json!({
        "version": 1, "ruleset": "shop", "revision": null, "at": "2026-11-23T10:00:00Z",
        "verdict": {
            "action": "challenge", "status": 302, "rule": "scanners", "band": null, "score": 7, "tags": {},
            "matched": ["scanners"], "shadowed": ["try-out"], "would": "challenge"
        },
        "reply": { "status": 302, "headers": [["location", "https://verify.example.com/?r=%2Fa%3Fb"]], "body": "" },
        "score": [{ "rule": "scanners", "score": 7 }],
        "rules": [{
            "id": "scanners", "state": "decided", "place": 1, "file": "main.rules.yaml", "line": 3,
            "description": "tools that no customer uses", "then": "challenge by a redirect, score +7",
            "condition": { "holds": true, "all": [any, test("client.ip in lists.office", true, "192.0.2.7"), pattern] }
        }]
    });
    assert_eq!(found, expected);
}

#[test]
fn what_cannot_be_explained() {
    let workshop = workshop("{\"path\":\n 1}");
    let cases = [
        (
            "explain shop.bundle",
            2,
            "`shop.bundle` is no code; add `--request FILE`",
        ),
        (
            "explain shop.bundle --request request.json",
            2,
            "request.json: `path` is a text in quotes",
        ),
        (
            "explain shop.bundle --request missing.json",
            2,
            "cannot read request `missing.json`",
        ),
        (
            "explain missing.bundle --request request.json",
            2,
            "cannot read bundle `missing.bundle`",
        ),
        (
            "explain signer.pem --request request.json",
            1,
            "cannot use `signer.pem`",
        ),
        ("explain --request request.json", 2, "<SUBJECT>"),
        ("explain shop --rule scanners", 2, "--request"),
    ];
    for (args, code, words) in cases {
        assert_eq!(workshop.run(args).expect(code, words), "", "{args}");
    }
}
