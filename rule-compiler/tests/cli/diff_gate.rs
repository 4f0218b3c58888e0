//! Changes that must not pass `rulec diff` as none.

use std::fmt::Write as _;

use serde_json::Value;

use crate::rulec::Workshop;

/// Folders `old` and `new`, each of a manifest's rest and rules.
fn folders(old: (&str, &str), new: (&str, &str)) -> Workshop {
    let workshop = Workshop::empty();
    for (name, (manifest, rules)) in [("old", old), ("new", new)] {
        workshop.write(
            &format!("{name}/ruleset.yaml"),
            format!("language: 1\nruleset: shop\n{manifest}"),
        );
        workshop.write(&format!("{name}/a.rules.yaml"), format!("rules:\n{rules}"));
    }
    workshop
}

fn report(workshop: &Workshop) -> Value {
    let stdout = workshop.run("diff old new --format json").expect(0, "");
    serde_json::from_str(&stdout).unwrap()
}

const LIMIT: &str = "  - { id: limit, when: counters.c > 2, then: deny }\n";

fn counting(count_when: &str, paths: &str) -> String {
    format!(
        "lists: {{ paths: {{ type: string, values: [{paths}] }} }}\n\
         counters: {{ c: {{ key: [source.ip], window: 10s, count_when: '{count_when}' }} }}\n"
    )
}

#[test]
fn a_value_of_a_list_that_only_a_counter_reads() {
    let when = "request.url_path in lists.paths";
    let [old, new] = ["/a", "/a, /b"].map(|paths| counting(when, paths));
    let workshop = folders((&old, LIMIT), (&new, LIMIT));
    let report = report(&workshop);
    let limit = &report["rules"][0];
    assert_eq!(limit["id"], "limit", "{report:#}");
    assert_eq!(
        limit["fields"][0]["new"],
        "not the same: what counter c counts"
    );
    assert_eq!(limit["effect"], "flips");
    assert_eq!(limit["witness"]["request"].to_string(), r#"{"path":"/b"}"#);
    assert_eq!(limit["witness"]["repeat"], 3);
    assert_eq!(report["counters"][0]["name"], "c");
    workshop
        .run("diff old new --fail-on-flip")
        .expect(1, "--fail-on-flip: 1");
}

/// No request of a witness has a response.
#[test]
fn a_counter_of_responses_is_unknown_and_not_nothing() {
    let [old, new] = ["/a", "/a, /b"].map(|paths| {
        counting(
            "request.url_path in lists.paths && response.code == 401",
            paths,
        )
    });
    let workshop = folders((&old, LIMIT), (&new, LIMIT));
    assert_eq!(report(&workshop)["rules"][0]["effect"], "unknown");
    workshop.run("diff old new --fail-on-flip").expect(0, "");
    workshop
        .run("diff old new --fail-on-unknown")
        .expect(1, "--fail-on-unknown: of 1 of the changes");
}

#[test]
fn a_counter_that_was_written_anew_is_told_as_one() {
    let [old, new] = ["\"PUT\"", "\"POST\""]
        .map(|method| counting(&format!("request.method == {method}"), "/a"));
    let workshop = folders((&old, LIMIT), (&new, LIMIT));
    let told = workshop.run("diff old new").expect(0, "");
    assert!(
        told.contains("    values: not the same: what counter c counts\n"),
        "{told}"
    );
}

#[test]
fn what_holds_after_expiry_is_an_answer_too() {
    let rules = "  - { id: put, when: request.method == \"PUT\", then: deny }\n";
    let workshop = folders(
        ("on_expired: deny\n", rules),
        ("on_expired: allow\n", rules),
    );
    let told = workshop
        .run("diff old new --fail-on-flip")
        .expect(1, "--fail-on-flip: 1");
    assert!(told.is_empty() || !told.contains("no request"), "{told}");
    let told = workshop.run("diff old new").expect(0, "");
    let expected = "    once the bundle has expired, requests get another answer\n";
    assert!(told.contains(expected), "{told}");
    let report = report(&workshop);
    assert_eq!(report["policy"]["effect"], "flips");
    assert_eq!(report["policy"]["witness"], Value::Null);
}

/// Very many changes that show nothing leave enough for the one that does.
#[test]
fn many_changes_do_not_hide_one() {
    let rules = |score: i32, then: &str| {
        let mut rules = String::new();
        for number in 0..175 {
            let _ = writeln!(
                rules,
                "  - {{ id: score-{number}, when: 'request.url_path.startsWith(\"/{number}\") && !request.url_path.contains(\"x\")', then: {{ score: {score} }} }}"
            );
        }
        let _ = writeln!(
            rules,
            "  - {{ id: last, when: request.method == \"PUT\", then: {then} }}"
        );
        rules
    };
    let bands = "score_bands: [{ at_least: 100000, then: deny }]\n";
    let (old, new) = (rules(1, "deny"), rules(2, "{ deny: { status: 404 } }"));
    let workshop = folders((bands, &old), (bands, &new));
    let report = report(&workshop);
    let rules = report["rules"].as_array().unwrap();
    let last = rules.iter().find(|rule| rule["id"] == "last").unwrap();
    assert_eq!(last["effect"], "flips", "{last:#}");
    assert_eq!(report["flips"], 1);
    // A score may reach a band together with others: that no request was found says nothing.
    assert_eq!(report["unknown"], 175);
}

#[test]
fn what_authors_wrote_moves_no_cursor() {
    let rule = |text: &str| {
        format!(
            "  - {{ id: a, description: \"{text}\", when: request.method == \"PUT\", then: deny }}\n"
        )
    };
    let (old, new) = (rule("before"), rule(r"evil\e[31m\n+ rule b\u202e"));
    let workshop = folders(("", &old), ("", &new));
    let told = workshop.run("diff old new").expect(0, "");
    let expected = r"      + evil\u{1b}[31m\n+ rule b\u{202e}";
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}
