//! Headers that only the filter may set: rules see none of a client's, here as there.

use serde_json::Value;

use crate::rulec::{ISSUED_AT, Workshop};

const RULES: &str = r#"
rules:
  - { id: score, when: 'has(request.headers["x-risk-score"])', then: deny }
  - { id: tag, when: 'request.headers["x-risk-tag-vip"] == "yes"', then: { score: 1 } }
  - { id: underscores, when: 'request.headers["x_risk_tag_vip"].startsWith("y")', then: { score: 2 } }
  - { id: others, when: 'has(request.headers["x-risk-scores"]) && has(request.headers["x-risk"])', then: { score: 4 } }
"#;

const FORGED: &str = r#"{"path":"/","headers":{"X-Risk-Score":"0","x-risk-tag-vip":"yes","x_risk_tag_vip":"yes","x-risk-scores":"1","x-risk":"1"}}"#;

fn workshop() -> Workshop {
    let workshop = Workshop::furnished();
    workshop.write("forged/ruleset.yaml", "language: 1\nruleset: forged\n");
    workshop.write("forged/a.rules.yaml", RULES);
    let request = format!(
        "tests: [{{ name: all, request: {FORGED}, expect: {{ matched: [others], score: 4 }} }}]\n"
    );
    workshop.write("forged/tests/a.test.yaml", request);
    let build = "build forged --key signer.pem --revision 1 -o forged.bundle";
    workshop
        .run(&format!("{build} --issued-at {ISSUED_AT}"))
        .expect(0, "");
    workshop
}

#[test]
fn no_verb_lets_rules_see_a_forged_one() {
    let workshop = workshop();
    let asked = |args: &str| workshop.run_with(args, FORGED, &[]).expect(0, "");
    let verdict = asked("eval forged.bundle --requests -");
    assert!(verdict.contains(r#""matched":["others"]"#), "{verdict}");
    let told = workshop.run("test forged").expect(0, "");
    assert_eq!(told, "forged: 1 test, all passed\n");
    for subject in ["forged.bundle --format json", "forged --format json"] {
        let story: Value =
            serde_json::from_str(&asked(&format!("explain {subject} --request -"))).unwrap();
        assert_eq!(story["verdict"]["matched"], serde_json::json!(["others"]));
    }
}

#[test]
fn a_replay_says_that_no_request_has_them() {
    let workshop = workshop();
    let outcome = workshop.run_with(
        "replay forged.bundle --traffic - --format json",
        FORGED,
        &[],
    );
    let report: Value = serde_json::from_str(&outcome.expect(0, "x-risk-tag-vip")).unwrap();
    let matched = report["rules"].as_array().unwrap().iter();
    let matched: Vec<&Value> = matched.map(|rule| &rule["matched"]).collect();
    assert_eq!(matched, [0, 0, 0, 1]);
    let names = ["x-risk-score", "x-risk-tag-vip", "x_risk_tag_vip"];
    let names = names.map(|name| format!(r#"request.headers["{name}"]"#));
    assert_eq!(report["never_seen"], serde_json::json!(names));
}
