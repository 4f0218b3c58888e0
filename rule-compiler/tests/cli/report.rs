//! The forms of `rulec check` for machines. `UPDATE_EXPECT=1` writes the expected texts of testdata/reports/ anew.

use std::{env, fs, path::Path};

use serde_json::Value;

use crate::rulec::{Workshop, run_in};

const CASES: [(&str, i32); 2] = [("shop", 0), ("broken", 1)];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/reports"))
}

/// The paths in a report are those from where `rulec` runs.
#[test]
fn the_forms_for_machines_are_stable() {
    for (name, code) in CASES {
        for format in ["json", "sarif"] {
            let found = run_in(root(), &format!("check {name} --format {format}"));
            assert_eq!((found.code, found.stderr.as_str()), (code, ""), "{name}");
            let path = root().join(format!("{name}.{format}"));
            let document: Value = serde_json::from_str(&found.stdout).unwrap();
            let found = format!("{document:#}\n");
            if env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(&path, &found).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(found, expected, "{}", path.display());
        }
    }
}

/// What the schema of SARIF 2.1.0 and the services that read it ask of a log.
#[test]
fn a_sarif_log_has_what_services_ask_for() {
    let text = run_in(root(), "check broken --format sarif").stdout;
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for rule in rules {
        for text in ["/shortDescription/text", "/help/text", "/help/markdown"] {
            assert!(!rule.pointer(text).unwrap().as_str().unwrap().is_empty());
        }
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 3);
    let mut prints: Vec<&Value> = Vec::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(root().join(uri).is_file(), "{uri}");
        let number = |key: &str| place["region"][key].as_u64().unwrap();
        assert!(number("startLine") >= 1 && number("startColumn") >= 1);
        let ends = (number("endLine"), number("endColumn"));
        assert!((number("startLine"), number("startColumn")) <= ends);
        prints.extend(result["partialFingerprints"].as_object().unwrap().values());
    }
    assert_eq!(prints.len(), results.len());
    prints.sort_by_key(|print| print.as_str());
    prints.dedup();
    assert_eq!(prints.len(), results.len(), "two findings look like one");
}

/// A line that moves is the same finding; one that changes is another.
#[test]
fn fingerprints_survive_moves() {
    let workshop = Workshop::empty();
    workshop.write("shop/ruleset.yaml", "language: 1\nruleset: shop\n");
    let prints = |rules: &str| -> Vec<String> {
        workshop.write("shop/a.rules.yaml", rules);
        let text = workshop.run("check shop --format sarif").expect(0, "");
        let log: Value = serde_json::from_str(&text).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        let print = |result: &Value| result["partialFingerprints"].to_string();
        results.iter().map(print).collect()
    };
    let rule =
        |id: &str| format!("  - {{ id: {id}, when: '!connection.mtls', then: {{ score: 1 }} }}\n");
    let before = prints(&format!("rules:\n{}", rule("a")));
    let after = prints(&format!("# one\n# two\nrules:\n{}{}", rule("b"), rule("a")));
    assert_eq!(before.len(), 1);
    assert_eq!(after.len(), 2);
    assert_eq!(before[0], after[1]);
    assert_ne!(before[0], after[0]);
}

#[test]
fn what_only_compiling_finds_is_in_every_form() {
    let folder = "check shop --max-cost 1";
    let found = run_in(root(), &format!("{folder} --format json"));
    assert_eq!(found.code, 1);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    let failure = report["failures"][0].as_str().unwrap();
    assert!(
        failure.contains("more than the 1 of --max-cost"),
        "{failure}"
    );
    assert_eq!(report["summary"]["errors"], 1);
    assert_eq!(report["cost"], Value::Null);

    let found = run_in(root(), &format!("{folder} --format sarif"));
    assert_eq!(found.code, 1);
    let log: Value = serde_json::from_str(&found.stdout).unwrap();
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(
        invocation["toolExecutionNotifications"][0]["message"]["text"],
        failure
    );
    run_in(root(), folder).expect(1, failure);
}

#[test]
fn denied_warnings_are_errors() {
    let denied = |args: &str| run_in(root(), &format!("check shop {args}"));
    denied("").expect(
        0,
        "shop: 3 rules, no errors, 5 warnings in 2 files, 1 suppressed\n",
    );
    denied("--deny warnings").expect(1, "\n5 errors in 2 files, 1 suppressed\n");
    denied("--deny R0101 --deny R0102")
        .expect(1, "\n3 errors, 2 warnings in 2 files, 1 suppressed\n");
    denied("--deny R0102").expect(1, "error[R0102]");
    denied("--deny R0104").expect(0, "warning[R0102]");
    denied("--deny R0001").expect(2, "R0001 is an error anyway");
    denied("--deny R9999").expect(2, "there is no such code");
}

#[test]
fn paths_lead_from_where_the_user_stands() {
    let stands_in = |folder: &Path, args: &str| run_in(folder, args).stderr;
    let seen = stands_in(root(), "check shop/");
    assert!(seen.contains("--> shop/main.rules.yaml:3:"), "{seen}");
    let seen = stands_in(root(), "check ./shop");
    assert!(seen.contains("--> shop/main.rules.yaml:3:"), "{seen}");
    let seen = stands_in(&root().join("shop"), "check .");
    assert!(seen.contains("--> main.rules.yaml:3:"), "{seen}");
    let seen = stands_in(&root().join("broken"), "check ../shop");
    assert!(seen.contains("--> ../shop/main.rules.yaml:3:"), "{seen}");
}

/// What is suppressed is not shown to people, and is with its reason where programs look.
#[test]
fn suppressed_warnings_keep_their_reason() {
    let found = run_in(root(), "check shop");
    assert!(
        !found.stderr.contains("!connection.mtls"),
        "{}",
        found.stderr
    );
    let report = run_in(root(), "check shop --format json").stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let suppressed = &report["suppressed"][0];
    assert_eq!(suppressed["code"], "R0105");
    assert_eq!(suppressed["rule"], "everyone");
    assert_eq!(suppressed["reason"], "a share of all traffic is measured");
    let log = run_in(root(), "check shop --format sarif").stdout;
    let log: Value = serde_json::from_str(&log).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let answered: Vec<_> = results
        .iter()
        .filter_map(|result| result["suppressions"][0]["justification"].as_str())
        .collect();
    assert_eq!(answered, ["a share of all traffic is measured"]);
}
