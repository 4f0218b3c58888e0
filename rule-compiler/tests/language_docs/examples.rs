//! Examples compile, and hold for what they say.

use std::path::Path;

use riskgate_compiler::{
    build::ruleset_in_memory,
    diagnostic::Code,
    front::{Sources, analyse, analyse_tests},
    ir::Ruleset,
    request_json,
    session::Session,
    testing,
};

use crate::page::{all_blocks, analysis, blocks, manifest, page, rule, shown};

/// 2026-11-23T00:00:00Z: when requests happen that give no time.
const NOW_US: i64 = 1_795_392_000_000_000;

/// Of another kind an example would be shown and not tested.
#[test]
fn blocks_are_of_known_kinds() {
    let known = [
        "",
        "yaml",
        "yaml-test",
        "yaml-error",
        "yaml-attributes",
        "cel",
        "cel-cases",
        "cel-error",
        "json",
        "json-verdict",
    ];
    for block in all_blocks(&page()) {
        assert!(
            known.contains(&block.kind),
            "{}\n{}",
            block.kind,
            block.text
        );
    }
}

#[test]
fn yaml_compiles() {
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

/// A file that the example compiles with, and rules that read what it declares.
#[test]
fn declarations_of_attributes_are_taken() {
    let page = page();
    let blocks = blocks(&page, "yaml-attributes");
    assert!(!blocks.is_empty());
    for block in blocks {
        let rules = "rules: [{ id: x, when: 'device.risk_score > 80 && device.tags in [\"bot\"]', then: deny }]";
        let manifest = "language: 1\nruleset: x\n";
        let files = [("ruleset.yaml", manifest), ("a.rules.yaml", rules)];
        let sources = Sources::from_texts(files).with_attributes("attributes.yaml", block.as_str());
        let analysis = analyse(&sources);
        assert!(analysis.ruleset.is_some(), "{}", analysis.report(false));
    }
}

/// A block names its code in its first line.
#[test]
fn yaml_that_is_called_an_error_is_one() {
    let page = page();
    let manifest = manifest(&page);
    for block in blocks(&page, "yaml-error") {
        let (code, rules) = block.split_once('\n').expect("a first line");
        let found = analysis(&manifest, rules);
        let codes: Vec<String> = found
            .diagnostics
            .iter()
            .map(|diagnostic| format!("# {}", diagnostic.code))
            .collect();
        assert_eq!(found.ruleset, None, "{block}");
        assert!(
            codes.iter().any(|found| found == code),
            "{block}\n{codes:?}"
        );
    }
}

/// Tests are about the rules above them in their section, or else about the first of the section on rules.
#[test]
fn tests_pass() {
    let page = page();
    let mut first = None;
    let mut above = None;
    let mut tests = 0;
    for block in all_blocks(&page) {
        if block.kind == "yaml" && block.text.starts_with("rules:") {
            first = first.or_else(|| (block.section == "## Rules").then(|| block.text.clone()));
            above = Some((block.section, block.text));
        } else if block.kind == "yaml-test" {
            let own = above
                .as_ref()
                .filter(|(section, _)| *section == block.section);
            let rules = own.map(|(_, rules)| rules).or(first.as_ref());
            let found = analysis(&manifest(&page), rules.expect("rules above the tests"));
            let report = shown(&found);
            pass(
                block.text,
                &found.ruleset.unwrap_or_else(|| panic!("{report}")),
            );
            tests += 1;
        }
    }
    assert!(tests > 0, "no tests");
}

fn pass(block: String, ruleset: &Ruleset) {
    let files = [("tests/a.test.yaml".to_owned(), block.into())];
    let tests = analyse_tests(&files, ruleset, Path::new(""));
    let cases = tests
        .tests
        .as_ref()
        .unwrap_or_else(|| panic!("{}", tests.report(false)));
    let loaded = ruleset_in_memory(ruleset).expect("a bundle");
    let report = testing::run(cases, ruleset, &mut testing::Native::new(&loaded));
    let report = report.expect("verdicts");
    assert_eq!(
        report.failed_count(),
        0,
        "{}",
        testing::human(&report, Path::new(""))
    );
}

#[test]
fn expressions_compile() {
    let page = page();
    let manifest = manifest(&page);
    let all = all_blocks(&page);
    let cel = all.iter().filter(|block| block.kind == "cel");
    for line in cel.flat_map(|block| block.text.lines()) {
        let found = analysis(&manifest, &rule(line));
        assert!(found.ruleset.is_some(), "{}", shown(&found));
    }
}

/// An expression, and below it requests that it holds for (`+`) and does not hold for (`-`).
#[test]
fn expressions_hold_for_what_they_say() {
    let page = page();
    let manifest = manifest(&page);
    let mut expression = String::new();
    let mut example = None;
    let mut wrong = Vec::new();
    for line in blocks(&page, "cel-cases")
        .iter()
        .flat_map(|block| block.lines())
    {
        let case = line
            .strip_prefix("  ")
            .and_then(|case| case.split_once(' '));
        match case {
            Some((sign, request)) => {
                let wanted = match sign {
                    "+" => true,
                    "-" => false,
                    other => panic!("`{other}` is neither + nor -: {line}"),
                };
                let ruleset = example.as_ref().expect("an expression above the requests");
                let request = request_json::parse(request).expect(request);
                let verdict = Session::new(ruleset, NOW_US).decide(&request);
                if verdict.matched.is_empty() == wanted {
                    wrong.push(format!("{expression}\n{line}\n"));
                }
            }
            None if line.is_empty() => {}
            None => {
                line.clone_into(&mut expression);
                let found = analysis(&manifest, &rule(line));
                let report = shown(&found);
                let ruleset = found.ruleset.unwrap_or_else(|| panic!("{report}"));
                example = Some(ruleset_in_memory(&ruleset).expect("a bundle"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
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
