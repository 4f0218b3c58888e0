//! Tricks by which clients get past rules, and what defeats them: testdata/evasion/ has one file a trick, and docs/evasion.md
//! shows them. `UPDATE_EXPECT=1` writes that page anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use riskgate_compiler::build::ruleset_in_memory;
use riskgate_compiler::front::{Sources, analyse};
use riskgate_compiler::request_json;
use riskgate_compiler::session::Session;
use serde_json::Value;

/// One file of the corpus.
struct Trick {
    name: String,
    value: Value,
}

impl Trick {
    fn text(&self, key: &str) -> &str {
        self.value[key]
            .as_str()
            .unwrap_or_else(|| panic!("{}: {key}", self.name))
    }

    fn list(&self, key: &str) -> &Vec<Value> {
        self.value[key]
            .as_array()
            .unwrap_or_else(|| panic!("{}: {key}", self.name))
    }

    fn useless(&self) -> impl Iterator<Item = &str> {
        self.list("useless")
            .iter()
            .map(|condition| condition.as_str().unwrap())
    }

    /// A rule for each condition, named by what it is.
    fn rules(&self) -> Vec<(String, &str)> {
        let mut rules = vec![
            ("naive".to_owned(), self.text("naive")),
            ("defended".to_owned(), self.text("defended")),
        ];
        let useless = self.useless().enumerate();
        rules.extend(useless.map(|(index, condition)| (format!("useless-{index}"), condition)));
        rules
    }

    /// The rules that match each of these requests, in the built bundle.
    fn matches(&self, key: &str) -> Vec<(String, Vec<String>)> {
        let rules = self.rules();
        let rule = |(id, condition): &(String, &str)| {
            let condition = condition.replace('\'', "''");
            format!("  - {{ id: {id}, when: '{condition}', then: {{ tag: {{ {id}: hit }} }} }}\n")
        };
        let rules = format!("rules:\n{}", rules.iter().map(rule).collect::<String>());
        let manifest = "language: 1\nruleset: evasion\n";
        let files = [("ruleset.yaml", manifest), ("a.rules.yaml", rules.as_str())];
        let analysis = analyse(&Sources::from_texts(files));
        let report = analysis.report(false);
        let ruleset = analysis
            .ruleset
            .unwrap_or_else(|| panic!("{}:\n{report}", self.name));
        let ruleset = ruleset_in_memory(&ruleset).unwrap();
        let mut session = Session::new(&ruleset, 0);
        let mut decide = |request: &Value| {
            let parsed = request_json::parse(&request.to_string()).unwrap();
            let verdict = serde_json::to_value(session.decide(&parsed)).unwrap();
            let matched = verdict["matched"].as_array().unwrap();
            let matched = matched.iter().map(|id| id.as_str().unwrap().to_owned());
            (request.to_string(), matched.collect())
        };
        self.list(key).iter().map(&mut decide).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tricks() -> Vec<Trick> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("testdata/evasion"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let trick = |path: &PathBuf| Trick {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        value: serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
    };
    paths.iter().map(trick).collect()
}

/// Each request gets past the naive rule and past those that look like a defence, and the defended rule finds it.
#[test]
fn each_trick_is_defeated_by_what_is_said_to_defeat_it() {
    let mut wrong = Vec::new();
    for trick in tricks() {
        assert!(!trick.list("requests").is_empty() && !trick.list("harmless").is_empty());
        for (request, matched) in trick.matches("requests") {
            if matched != ["defended"] {
                wrong.push(format!("{}: {request} is found by {matched:?}", trick.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A defence that finds everything would defeat every trick.
#[test]
fn no_harmless_request_is_found() {
    for trick in tricks() {
        for (request, matched) in trick.matches("harmless") {
            assert!(
                !matched.contains(&"defended".to_owned()),
                "{}: {request} is found",
                trick.name
            );
        }
    }
}

#[test]
fn the_page_shows_the_corpus() {
    let page = page();
    let path = root().join("docs/evasion.md");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        page,
        "UPDATE_EXPECT=1 writes docs/evasion.md"
    );
}

const HEAD: &str = "# Evasion

A rule compares bytes. What a client means by them is up to the server behind the proxy, and clients know many ways to write the same thing. This page has the tricks, and which chain of transforms
defeats which. It is made of `testdata/evasion/`, which has one file a trick; a test runs every request of it through a built bundle: the naive rule and those that look like a defence miss it, the defended rule finds it, and
leaves requests alone that only look like it. Another test sends them all through a real Envoy, repeated headers on lines of their own.

Three rules of thumb:

- Undo what the server undoes, in the order in which it does: first `urlDecodeAll()`, then `normalizePath()`, then `lowerAscii()`. What is normalised before it is decoded is not normal.
- Prefer the attribute that is taken apart already: `request.params`, `request.cookies` and `request.hostname` to `request.query`, a header and `request.host`.
- What no transform turns into text, such as overlong UTF-8 or a sixth layer of encoding, is refused for being there.

`rulec check` warns of rules that compare what a client wrote (R0108) and of whole headers that Envoy joins (R0109).
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for trick in tricks() {
        write!(
            page,
            "\n## {}\n\n{}\n\n",
            trick.text("trick"),
            trick.text("about")
        )
        .unwrap();
        page.push_str("| | condition |\n| --- | --- |\n");
        let mut row = |what: &str, condition: &str| {
            let condition = condition.replace('|', "\\|");
            writeln!(page, "| {what} | `{condition}` |").unwrap();
        };
        row("naive", trick.text("naive"));
        trick
            .useless()
            .for_each(|condition| row("does not help", condition));
        row("defended", trick.text("defended"));
        page.push_str("\nFound by the defended rule only:\n\n```json\n");
        for request in trick.list("requests") {
            writeln!(page, "{request}").unwrap();
        }
        page.push_str("```\n\n");
        writeln!(page, "What remains: {}", trick.text("remains")).unwrap();
    }
    page
}
