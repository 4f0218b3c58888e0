//! What `rulec fmt` prints says the same as what it read, with all comments, and is left alone the next time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use riskgate_compiler::front::format::{FileKind, FormatError, format};
use riskgate_compiler::front::{Sources, analyse};
use riskgate_compiler::ir;
use serde_json::Value;

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

/// A tree of texts: what a ruleset holds beside its conditions.
#[derive(Debug, Clone)]
enum Tree {
    Text(String, Written),
    List(Vec<Tree>),
    Map(BTreeMap<&'static str, Tree>),
}

/// How a text is written.
#[derive(Debug, Clone, Copy)]
enum Written {
    Plain,
    Single,
    Double,
    /// In double quotes, with a line for each word.
    Lines,
    /// After `|` or `>`, with a mark for what is at its end, and indented by this many columns more than it must.
    Block(char, &'static str, usize),
}

/// Names that are those of conditions elsewhere.
const NAMES: [&str; 10] = [
    "when",
    "all",
    "any",
    "not",
    "count_when",
    "key",
    "distinct",
    "by",
    "id",
    "x-a",
];

const PIECES: [&str; 24] = [
    "a", "b", "==", "&&", "!", "\"c\"", "(", ")", "[", "]", "{", ",", " ", "  ", "\n", "\n\n", "#",
    ": ", "'", "\\", "true", "5", "\u{a0}", "\t",
];

fn trees() -> impl Strategy<Value = Tree> {
    let text = proptest::collection::vec(select(&PIECES[..]), 0..7);
    let written = (0..7_usize, select(&["", "-", "+"][..]), 0..3_usize);
    let leaf = (text, written).prop_map(|(pieces, (style, chomping, wider))| {
        let text = pieces.concat();
        let written = match style {
            0 => Written::Plain,
            1 => Written::Single,
            2 => Written::Lines,
            3 | 4 => Written::Block('|', chomping, wider),
            // White space alone is not folded.
            5 if !text.trim().is_empty() => Written::Block('>', chomping, wider),
            _ => Written::Double,
        };
        Tree::Text(text, written)
    });
    leaf.prop_recursive(3, 12, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4).prop_map(Tree::List);
        let map = proptest::collection::btree_map(select(&NAMES[..]), inner, 1..4);
        prop_oneof![list, map.prop_map(Tree::Map)]
    })
}

/// A value behind its key or dash, which stands at `indent`.
fn block(tree: &Tree, indent: usize) -> String {
    let at = |indent| format!("\n{}", " ".repeat(indent));
    let inner = indent + 3;
    match tree {
        Tree::Text(text, Written::Block(kind, chomping, wider)) => {
            let width = wider + 1;
            let lines = text.split('\n').map(|line| match line {
                "" => "\n".to_owned(),
                _ => at(indent + width) + line,
            });
            format!(" {kind}{width}{chomping}{}", lines.collect::<String>())
        }
        Tree::Text(_, Written::Lines) => " ".to_owned() + &flow(tree).replace(' ', &at(inner)),
        Tree::Text(..) => " ".to_owned() + &flow(tree),
        Tree::List(items) => {
            let items = items
                .iter()
                .map(|item| at(inner) + "-" + &block(item, inner));
            items.collect()
        }
        Tree::Map(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| at(inner) + key + ":" + &block(value, inner));
            entries.collect()
        }
    }
}

/// A value on one line.
fn flow(tree: &Tree) -> String {
    let joined = |parts: Vec<String>| parts.join(",");
    match tree {
        Tree::Text(text, Written::Plain) => text.replace('\n', " "),
        Tree::Text(text, Written::Single) if !text.contains('\n') => {
            format!("'{}'", text.replace('\'', "''"))
        }
        Tree::Text(text, _) => serde_json::to_string(text).unwrap(),
        Tree::List(items) => format!("[ {}]", joined(items.iter().map(flow).collect())),
        Tree::Map(entries) => {
            let pair = |(key, value): (&&str, &Tree)| format!("{key}:  {}", flow(value));
            format!("{{{} }}", joined(entries.iter().map(pair).collect()))
        }
    }
}

/// Another parser of YAML reads the same before and after, whatever keys are called and however texts are written.
#[test]
fn what_is_no_condition_keeps_every_character() {
    const ROOTS: [&str; 5] = [
        "lists:",
        "deny:",
        "rules:\n - then:",
        "counters:\n - key:",
        "x: a\nheaders:",
    ];
    let formatted = std::cell::Cell::new(0);
    let config = Config {
        cases: 3_000,
        rng_seed: RngSeed::Fixed(0xf0b),
        failure_persistence: None,
        ..Config::default()
    };
    let holds = |(tree, root, is_flow): (Tree, &str, bool)| {
        let indent = root.len() - root.trim_start_matches(' ').len();
        let indent = if root.contains('-') { indent + 3 } else { 0 };
        let value = match is_flow {
            true => " ".to_owned() + &flow(&tree),
            false => block(&tree, indent),
        };
        let text = format!("{root}{value}\n");
        let Ok(before) = serde_saphyr::from_str::<Value>(&text) else {
            return Ok(());
        };
        let once = match format("x", &text, FileKind::Rules) {
            Ok(once) => once,
            Err(FormatError::Syntax(_)) => return Ok(()),
            Err(FormatError::Unsure) => panic!("cannot be formatted:\n{text}"),
        };
        formatted.set(formatted.get() + 1);
        let after = serde_saphyr::from_str::<Value>(&once);
        assert_eq!(after.ok(), Some(before), "{text}\nbecame\n{once}");
        assert_eq!(
            format("x", &once, FileKind::Rules).as_ref(),
            Ok(&once),
            "{text}"
        );
        Ok(())
    };
    let inputs = (trees(), select(&ROOTS[..]), any::<bool>());
    let result = TestRunner::new(config).run(&inputs, holds);
    assert!(result.is_ok(), "{}", result.unwrap_err());
    assert!(formatted.get() > 1_500, "{}", formatted.get());
}

/// Texts that expressions look like, where `rulec fmt` has taken them for some.
#[test]
fn names_do_not_make_conditions() {
    let files = [
        "lists: { key: { type: string, values: [\"a==b\"] } }\n",
        "rules:\n  - id: r\n    when: connection.mtls\n    then: { deny: { headers: { not: \"a==b\", when: 'x&&y' } } }\n",
        "rules:\n  - id: r\n    when: connection.mtls\n    then: { tag: { not: \"a==b\" } }\n",
    ];
    for text in files {
        let once = format("x", text, FileKind::Rules).unwrap();
        let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
        assert_eq!(read(&once), read(text), "{once}");
    }
    let counted = "counters:\n  key:\n    key: [ 'a.b[ \"c\" ]' ]\n    count_when: { all: [ a==1, { not: \"b==2\" } ] }\n";
    assert_eq!(
        format("x", counted, FileKind::Rules).unwrap(),
        "counters:\n  key:\n    key: ['a.b[\"c\"]']\n    count_when: { all: [a == 1, { not: b == 2 }] }\n"
    );
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
