//! What `rulec diff` says of rules that changed places.

use std::fmt::Write as _;

use serde_json::Value;

use crate::rulec::Workshop;

/// What is different between two folders with these rules.
fn compared(old: &str, new: &str) -> (Workshop, Value) {
    let workshop = Workshop::empty();
    for (name, rules) in [("old", old), ("new", new)] {
        workshop.write(
            &format!("{name}/ruleset.yaml"),
            "language: 1\nruleset: shop\n",
        );
        workshop.write(&format!("{name}/a.rules.yaml"), format!("rules:\n{rules}"));
    }
    let stdout = workshop.run("diff old new --format json").expect(0, "");
    let report = serde_json::from_str(&stdout).unwrap();
    (workshop, report)
}

#[test]
fn a_rule_that_passed_a_thousand_that_act_alike_and_one_that_does_not() {
    let mut others = String::new();
    for number in 0..1_005 {
        let _ = writeln!(
            others,
            "  - {{ id: other-{number}, priority: 10, when: 'request.params[\"a\"] == \"{number}\"', then: deny }}"
        );
    }
    others.push_str(
        "  - { id: office, priority: 5, when: 'request.host == \"office\"', then: allow }\n",
    );
    let moved = |priority: i32| {
        format!(
            "{others}  - {{ id: moved, priority: {priority}, when: 'request.method == \"PUT\"', then: deny }}\n"
        )
    };
    let (workshop, report) = compared(&moved(20), &moved(1));
    let rule = &report["rules"][0];
    assert_eq!(rule["id"], "moved");
    assert_eq!(rule["effect"], "flips", "{rule:#}");
    let expected = r#"{"host":"office","method":"PUT","path":"/"}"#;
    assert_eq!(rule["witness"]["request"].to_string(), expected);
    workshop
        .run("diff old new --fail-on-flip")
        .expect(1, "--fail-on-flip: 1");
}

#[test]
fn the_first_of_two_tags_is_another() {
    let rules = |priority: i32| {
        format!(
            r#"
  - {{ id: one, priority: {priority}, when: request.method == "PUT", then: {{ tag: {{ grade: bad }} }} }}
  - {{ id: two, priority: 5, when: request.host == "a", then: {{ tag: {{ grade: good }} }} }}
"#
        )
    };
    let (_, report) = compared(&rules(10), &rules(1));
    let rule = &report["rules"][0];
    assert_eq!(rule["effect"], "differs", "{report:#}");
    assert_eq!(rule["may_flip"], false);
    assert_eq!(rule["witness"]["old"]["tags"]["grade"], "bad");
    assert_eq!(rule["witness"]["new"]["tags"]["grade"], "good");
    assert_eq!(report["unknown"], 0);
}

/// Rules that read alike redirect to two places where the rule's id is a part of the template.
#[test]
fn a_redirect_names_the_rule_that_decided() {
    let rules = |then: &str, priority: i32| {
        format!(
            "  - {{ id: one, priority: {priority}, when: request.method == \"PUT\", then: {then} }}\n  \
             - {{ id: two, priority: 5, when: request.host == \"a\", then: {then} }}\n"
        )
    };
    let cases = [
        (
            r#"{ challenge: { redirect: "https://v.example.com/?r={rule.id}" } }"#,
            "flips",
        ),
        (
            r#"{ challenge: { redirect: "https://v.example.com/" } }"#,
            "differs",
        ),
        ("deny", "differs"),
    ];
    for (then, effect) in cases {
        let (_, report) = compared(&rules(then, 10), &rules(then, 1));
        let rule = &report["rules"][0];
        assert_eq!(rule["effect"], effect, "{then}: {report:#}");
        assert_eq!(rule["witness"]["old"]["rule"], "one");
        assert_eq!(rule["witness"]["new"]["rule"], "two");
        assert_eq!(report["unknown"], 0, "{then}");
    }
}

#[test]
fn places_of_rules_that_never_match_together_do_not_matter() {
    let rules = |priority: i32| {
        format!(
            r#"
  - {{ id: one, priority: {priority}, when: request.url_path == "/a" && request.method == "PUT", then: allow }}
  - {{ id: two, priority: 5, when: 'request.url_path in ["/b", "/c"]', then: deny }}
"#
        )
    };
    let (_, report) = compared(&rules(10), &rules(1));
    assert_eq!(report["rules"], serde_json::json!([]), "{report:#}");
}
