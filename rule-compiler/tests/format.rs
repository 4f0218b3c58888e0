//! What `rulec fmt` prints says the same as what it read, with all comments, and is left alone the next time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::{Strategy, any};
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use riskgate_compiler::front::format::{FileKind, FormatError, format};
use riskgate_compiler::front::{Sources, analyse};
use riskgate_compiler::ir;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// All YAML files below a folder, with their texts.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push((path.clone(), fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    found
}

fn kind(path: &Path) -> FileKind {
    match path.to_string_lossy().ends_with(".test.yaml") {
        true => FileKind::Tests,
        false => FileKind::Rules,
    }
}

/// The parts of lines from a `#` that no text can hold, since the files of these tests have none there.
fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.find("#@").map(|at| line[at..].trim_end()))
        .collect()
}

/// The ruleset without the lines at which its rules stand.
fn meaning(manifest: &str, rules: &str) -> Option<ir::Ruleset> {
    let files = [("ruleset.yaml", manifest), ("a.rules.yaml", rules)];
    let mut ruleset = analyse(&Sources::from_texts(files)).ruleset?;
    ruleset
        .rules
        .iter_mut()
        .for_each(|rule| rule.origin.line = 0);
    Some(ruleset)
}

#[test]
fn every_file_of_the_test_data_is_formatted_once() {
    let mut formatted = 0;
    for (path, text) in files(&testdata()) {
        let name = path.display().to_string();
        let once = match format(&name, &text, kind(&path)) {
            Ok(once) => once,
            Err(FormatError::Syntax(_)) => continue,
            Err(FormatError::Unsure) => panic!("{name} cannot be formatted"),
        };
        formatted += 1;
        assert_eq!(
            format(&name, &once, kind(&path)).as_ref(),
            Ok(&once),
            "{name}"
        );
    }
    assert!(formatted > 90, "{formatted}");
}

#[test]
fn rules_mean_the_same() {
    let empty = "language: 1\nruleset: x\n";
    let mut compared = 0;
    for (path, text) in files(&testdata()) {
        let Some(before) = meaning(empty, &text) else {
            continue;
        };
        let once = format("x", &text, FileKind::Rules).unwrap();
        assert_eq!(
            meaning(empty, &once).as_ref(),
            Some(&before),
            "{}",
            path.display()
        );
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

/// Something that an author does to a line of a file.
#[derive(Debug, Clone)]
enum Slip {
    Comment(usize),
    Trailing,
    Blank,
    Wide,
}

fn slips() -> impl Strategy<Value = Vec<(Index, Slip)>> {
    let slip = (any::<Index>(), 0..4_usize, 0..5_usize);
    let slip = slip.prop_map(|(line, kind, indent)| {
        let slip = match kind {
            0 => Slip::Comment(indent * 2),
            1 => Slip::Trailing,
            2 => Slip::Blank,
            _ => Slip::Wide,
        };
        (line, slip)
    });
    proptest::collection::vec(slip, 1..12)
}

fn apply(text: &str, slips: &[(Index, Slip)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (number, (at, slip)) in slips.iter().enumerate() {
        let at = at.index(lines.len());
        match slip {
            Slip::Comment(indent) => {
                lines.insert(at, format!("{}#@ {number}", " ".repeat(*indent)));
            }
            Slip::Trailing => lines[at] = format!("{}   #@ {number}", lines[at]),
            Slip::Blank => lines.insert(at, String::new()),
            Slip::Wide => {
                lines[at] = lines[at]
                    .replace(" && ", "  &&   ")
                    .replace(" == ", "==")
                    .replace("{ ", "{")
                    .replace(": ", ":   ");
            }
        }
    }
    lines.join("\n") + "\n"
}

/// Files of the storefront with comments, blank lines and odd spaces anywhere.
#[test]
fn slips_are_undone_and_nothing_else() {
    let folder = testdata().join("rulesets/storefront");
    let manifest = fs::read_to_string(folder.join("ruleset.yaml")).unwrap();
    let files: Vec<String> = files(&folder)
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().ends_with(".rules.yaml"))
        .map(|(_, text)| text)
        .collect();
    let manifest = manifest.replace("file: lists/", "values: [] # lists/");
    let formatted = std::cell::Cell::new(0);
    let config = Config {
        cases: 300,
        rng_seed: RngSeed::Fixed(0xf0a),
        failure_persistence: None,
        ..Config::default()
    };
    let holds = |(file, slips): (Index, Vec<(Index, Slip)>)| {
        let text = apply(&files[file.index(files.len())], &slips);
        let once = match format("x", &text, FileKind::Rules) {
            Ok(once) => once,
            Err(FormatError::Syntax(_)) => return Ok(()),
            Err(FormatError::Unsure) => panic!("cannot be formatted:\n{text}"),
        };
        formatted.set(formatted.get() + 1);
        assert_eq!(comments(&once), comments(&text), "{text}");
        assert_eq!(
            format("x", &once, FileKind::Rules).as_ref(),
            Ok(&once),
            "{text}"
        );
        assert_eq!(
            meaning(&manifest, &once),
            meaning(&manifest, &text),
            "{text}"
        );
        Ok(())
    };
    let result = TestRunner::new(config).run(&(any::<Index>(), slips()), holds);
    assert!(result.is_ok(), "{}", result.unwrap_err());
    assert!(formatted.get() > 150, "{}", formatted.get());
}

/// docs/fmt.md shows a file before and after.
#[test]
fn the_documentation_shows_what_is_printed() {
    let page = fs::read_to_string(testdata().join("../docs/fmt.md")).unwrap();
    let mut blocks = page.split("```yaml\n").skip(1);
    let mut block = || {
        blocks
            .next()
            .unwrap()
            .split("```")
            .next()
            .unwrap()
            .to_owned()
    };
    let (before, after) = (block(), block());
    assert_eq!(format("x", &before, FileKind::Rules), Ok(after));
}
