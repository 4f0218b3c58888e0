//! The author's reference says nothing that the compiler does not do: its examples are compiled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::{collections::BTreeSet, fs, path::Path};

use riskgate_compiler::{
    build::ruleset_in_memory,
    diagnostic::{Code, render},
    front::{Analysis, Sources, analyse, analyse_tests},
    request_json, testing,
    verdict_json::VerdictJson,
};

const LIST_FILE: (&str, &str) = ("lists/blocked-devices.txt", "d-1\n");

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rule-language.md");
    fs::read_to_string(path).expect("docs/rule-language.md")
}

/// The fenced blocks of one kind.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    let blocks: Vec<String> = page
        .split(&fence)
        .skip(1)
        .map(|rest| {
            rest.split("```")
                .next()
                .expect("the end of a block")
                .to_owned()
        })
        .collect();
    assert!(!blocks.is_empty(), "no {kind} blocks");
    blocks
}

/// The reference's own `ruleset.yaml`, whose lists its other examples use.
fn manifest(page: &str) -> String {
    let block = blocks(page, "yaml")
        .into_iter()
        .find(|block| block.starts_with("language:"));
    block.expect("an example of ruleset.yaml")
}

fn analysis(manifest: &str, rules: &str) -> Analysis {
    analyse(&Sources::from_texts([
        ("ruleset.yaml", manifest),
        ("a.rules.yaml", rules),
        LIST_FILE,
    ]))
}

fn shown(analysis: &Analysis) -> String {
    render(&analysis.diagnostics, &analysis.sources, false)
}

fn rule(when: &str) -> String {
    format!(
        "rules: [{{ id: example, when: '{}', then: deny }}]",
        when.replace('\'', "''")
    )
}

#[test]
fn yaml_examples_compile() {
    let page = page();
    let manifest = manifest(&page);
    for block in blocks(&page, "yaml") {
        let found = if block.starts_with("language:") {
            analysis(&block, "rules: []")
        } else if block.starts_with("when:") {
            let indented = block.replace('\n', "\n    ");
            analysis(
                &manifest,
                &format!("rules:\n  - id: example\n    then: deny\n    {indented}"),
            )
        } else {
            analysis(&manifest, &block)
        };
        assert!(found.ruleset.is_some(), "{block}\n{}", shown(&found));
    }
}

/// They are about the reference's own example of a rule file.
#[test]
fn examples_of_tests_pass() {
    let page = page();
    let rules = blocks(&page, "yaml").into_iter();
    let rules = rules
        .filter(|block| block.starts_with("rules:"))
        .find(|block| block.contains("block-scanners"))
        .expect("an example of a rule file");
    let found = analysis(&manifest(&page), &rules);
    let ruleset = found.ruleset.expect("a ruleset");
    for block in blocks(&page, "yaml-test") {
        let files = [("tests/a.test.yaml".to_owned(), block.into())];
        let tests = analyse_tests(&files, &ruleset, Path::new(""));
        let cases = tests
            .tests
            .as_ref()
            .unwrap_or_else(|| panic!("{}", tests.report(false)));
        let loaded = ruleset_in_memory(&ruleset).expect("a bundle");
        let report = testing::run(cases, &ruleset, &mut testing::Native::new(&loaded));
        let report = report.expect("verdicts");
        assert_eq!(
            report.failed_count(),
            0,
            "{}",
            testing::human(&report, Path::new(""))
        );
    }
}

/// What `expect` and a step can have is described.
#[test]
fn every_key_of_a_test_is_described() {
    let page = page();
    let steps = section(&page, "## Tests");
    for key in ["request", "expect", "repeat", "every"] {
        assert!(steps.contains(&format!("| `{key}` | ")), "{key}");
    }
    let verdicts = section(&page, "## A verdict as JSON");
    for key in testing::Key::ALL {
        assert!(
            verdicts.contains(&format!("| `{}` | ", key.name())),
            "{key:?}"
        );
    }
}

#[test]
fn expressions_compile() {
    let page = page();
    let manifest = manifest(&page);
    for line in blocks(&page, "cel").iter().flat_map(|block| block.lines()) {
        let found = analysis(&manifest, &rule(line));
        assert!(found.ruleset.is_some(), "{}", shown(&found));
    }
}

#[test]
fn what_is_called_an_error_is_one() {
    let page = page();
    let manifest = manifest(&page);
    for line in blocks(&page, "cel-error")
        .iter()
        .flat_map(|block| block.lines())
    {
        let found = analysis(&manifest, &rule(line));
        let codes: Vec<Code> = found
            .diagnostics
            .iter()
            .map(|diagnostic| diagnostic.code)
            .collect();
        assert_eq!(found.ruleset, None, "{line}");
        assert!(
            !codes.contains(&Code::ExpressionSyntax),
            "{}",
            shown(&found)
        );
    }
}

#[test]
fn requests_are_taken() {
    for line in blocks(&page(), "json")
        .iter()
        .flat_map(|block| block.lines())
    {
        if let Err(error) = request_json::parse(line) {
            panic!("{line}: {error}");
        }
    }
}

/// Every key that the parser knows has its row.
#[test]
fn every_key_of_a_request_is_described() {
    let page = page();
    let section = section(&page, "## A request as JSON");
    for (key, _) in request_json::KEYS {
        let is_described = section
            .lines()
            .any(|line| line.starts_with("| `") && line.contains(&format!("`{key}`")));
        assert!(is_described, "{key}");
    }
}

#[test]
fn verdicts_have_the_shape_that_is_printed() {
    let page = page();
    for line in blocks(&page, "json-verdict")
        .iter()
        .flat_map(|block| block.lines())
    {
        let verdict: VerdictJson = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&verdict).unwrap(), line);
        let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for key in keys.keys() {
            let row = format!("| `{key}` | ");
            assert!(
                section(&page, "## A verdict as JSON").contains(&row),
                "{key}"
            );
        }
    }
}

/// From a heading to the next of its level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let (_, rest) = page.split_once(heading).expect(heading);
    rest.split("\n## ").next().expect("a section")
}

#[test]
fn every_code_is_listed() {
    let page = page();
    let listed: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| R")?.split(' ').next())
        .collect();
    let known: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| code.to_string().replace('R', ""))
        .collect();
    assert_eq!(listed, known.iter().map(String::as_str).collect());
}
