//! Every folder of `testdata/invalid` is a ruleset with something wrong, beside what the compiler says about it.
//!
//! `UPDATE_EXPECT=1 cargo test -p riskgate-compiler --test invalid` writes the expected texts anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use riskgate_compiler::{
    diagnostic::{Code, Diagnostic, render},
    front::{Analysis, analyse_at, analyse_tests, read_ruleset_with, read_tests},
};

/// When the cases are judged.
const NOW_US: i64 = 1_795_000_000_000_000;

const EXPECTED: &str = "expected.txt";

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/invalid");
    let mut cases: Vec<PathBuf> = fs::read_dir(root)
        .expect("the folder of invalid rulesets")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

fn analysis(case: &Path) -> Analysis {
    let attributes = Some(case.join("attributes.yaml")).filter(|path| path.exists());
    let sources = read_ruleset_with(case, attributes.as_deref());
    let sources = sources.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    analyse_at(&sources, NOW_US)
}

/// Of the ruleset, and of its tests if it has any.
fn diagnostics(case: &Path) -> (Vec<Diagnostic>, String) {
    let analysis = analysis(case);
    let mut text = render(&analysis.diagnostics, &analysis.sources, false);
    let mut diagnostics = analysis.diagnostics;
    if let Some(ruleset) = &analysis.ruleset {
        let files = read_tests(case).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        let tests = analyse_tests(&files, ruleset, Path::new(""));
        text += &render(&tests.diagnostics, &tests.sources, false);
        diagnostics.extend(tests.diagnostics);
    }
    (diagnostics, text)
}

#[test]
fn every_case_says_what_it_should() {
    let update = env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let (_, found) = diagnostics(&case);
        let path = case.join(EXPECTED);
        if update {
            fs::write(&path, &found).expect("writes the expected text");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            wrong.push(format!(
                "{}\n--- expected\n{expected}\n--- found\n{found}",
                case.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_is_about_the_code_in_its_name() {
    for case in cases() {
        let name = case
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .to_uppercase();
        let codes: Vec<String> = diagnostics(&case)
            .0
            .iter()
            .map(|found| found.code.to_string())
            .collect();
        assert!(
            codes.iter().any(|code| name.starts_with(code)),
            "{name} has {codes:?}"
        );
    }
}

#[test]
fn every_code_has_a_case() {
    let covered: BTreeSet<Code> = cases()
        .iter()
        .flat_map(|case| diagnostics(case).0)
        .map(|found| found.code)
        .collect();
    let missing: Vec<&Code> = Code::ALL
        .iter()
        .filter(|code| !covered.contains(code))
        .collect();
    assert!(
        missing.is_empty(),
        "no case in testdata/invalid for {missing:?}"
    );
}

#[test]
fn a_ruleset_is_built_only_without_errors() {
    for case in cases() {
        let Analysis {
            ruleset,
            diagnostics,
            ..
        } = analysis(&case);
        assert_eq!(
            ruleset.is_none(),
            diagnostics.iter().any(Diagnostic::is_error),
            "{}",
            case.display()
        );
    }
}

/// An error without a remedy leaves its reader alone.
#[test]
fn every_diagnostic_has_a_remedy() {
    for case in cases() {
        for found in diagnostics(&case).0 {
            assert!(
                found.help.is_some(),
                "{}: {}",
                case.display(),
                found.message
            );
        }
    }
}
