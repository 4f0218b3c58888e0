//! The page of each diagnostic code shows an example; here each is shown to be one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::path::Path;

use riskgate_compiler::{
    diagnostic::{Code, render},
    front::{Sources, analyse_at, analyse_tests},
};

/// When the examples are judged.
const NOW_US: i64 = 1_795_000_000_000_000;

const PAGES: &str = include_str!("../src/diagnostic/code.rs");

/// The name of each code with the example of its page.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    let mut example = String::new();
    let mut inside = false;
    for line in PAGES.lines().map(str::trim) {
        let comment = line
            .strip_prefix("///")
            .map(|text| text.strip_prefix(' ').unwrap_or(text));
        match comment {
            Some("```yaml") => inside = true,
            Some("```") => inside = false,
            Some(text) if inside => example += &format!("{text}\n"),
            _ => {}
        }
        if let Some((name, "Error," | "Warning,")) = line
            .split_once(" = ")
            .and_then(|(name, rest)| Some((name, rest.split_once(' ')?.1)))
        {
            examples.push((name.to_owned(), std::mem::take(&mut example)));
        }
    }
    examples
}

/// What is left out of an example because it is about something else.
fn completed(example: &str) -> (String, String) {
    let first = example.split(':').next().expect("a key");
    let indented = |indent: &str| {
        example
            .lines()
            .map(|line| format!("{indent}{line}\n"))
            .collect::<String>()
    };
    let rule = |others: &str| format!("rules:\n  - id: example\n{}{others}", indented("    "));
    let manifest = "language: 1\nruleset: example\n".to_owned();
    match first {
        "# more.yaml\nrules" | "rules" => (manifest, example.to_owned()),
        "- id" | "- { id" => (manifest, format!("rules:\n{}", indented("  "))),
        "when" => (manifest, rule("    then: deny\n")),
        "then" => (manifest, rule("    when: connection.mtls\n")),
        "stage" | "active" => (
            manifest,
            rule("    when: connection.mtls\n    then: deny\n"),
        ),
        "attributes" => (manifest, "rules: []".to_owned()),
        "language" => (
            format!("{example}ruleset: example\n"),
            "rules: []".to_owned(),
        ),
        "ruleset" => (format!("language: 1\n{example}"), "rules: []".to_owned()),
        _ => match example.split_once("rules:\n") {
            Some((head, rules)) => (manifest + head, format!("rules:\n{rules}")),
            None => (manifest + example, "rules: []".to_owned()),
        },
    }
}

#[test]
fn the_example_of_each_page_shows_its_code() {
    let examples = examples();
    assert_eq!(examples.len(), Code::ALL.len());
    for ((name, example), code) in examples.iter().zip(Code::ALL) {
        assert_eq!(*name, format!("{code:?}"));
        let (codes, shown) = diagnose(&example.replace('…', &"x".repeat(300)));
        assert!(
            codes.contains(code) && codes.iter().all(|found| found == code),
            "{name}\n{example}---\n{shown}",
        );
    }
}

/// What is wrong with an example: its codes, and the whole text.
fn diagnose(example: &str) -> (Vec<Code>, String) {
    let (manifest, rules, tests) = match example.starts_with("tests:") {
        true => (
            "language: 1\nruleset: example\n".to_owned(),
            "rules: [{ id: example, when: connection.mtls, then: deny }]".to_owned(),
            vec![("tests/a.test.yaml".to_owned(), example.into())],
        ),
        false => {
            let (manifest, rules) = completed(example);
            (manifest, rules, Vec::new())
        }
    };
    // A page about a file's name says that in its first line.
    let comment = example.strip_prefix("# ");
    let name = comment.and_then(|text| text.lines().next());
    let files = [
        ("ruleset.yaml", manifest.as_str()),
        (name.unwrap_or("a.rules.yaml"), &rules),
    ];
    let mut sources = Sources::from_texts(files);
    if example.starts_with("attributes:") {
        sources = sources.with_attributes("attributes.yaml", example);
    }
    let found = analyse_at(&sources, NOW_US);
    let mut text = render(&found.diagnostics, &found.sources, false);
    let mut diagnostics = found.diagnostics;
    if let Some(ruleset) = &found.ruleset {
        let tests = analyse_tests(&tests, ruleset, Path::new(""));
        text += &tests.report(false);
        diagnostics.extend(tests.diagnostics);
    }
    let codes = diagnostics.iter().map(|diagnostic| diagnostic.code);
    (codes.collect(), format!("{manifest}---\n{rules}\n{text}"))
}
