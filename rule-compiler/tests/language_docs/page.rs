//! The reference, taken apart.

use std::{fs, path::Path};

use riskgate_compiler::{
    diagnostic::render,
    front::{Analysis, Sources, analyse},
};

const LIST_FILE: (&str, &str) = ("lists/blocked-devices.txt", "d-1\n");

pub(crate) fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rule-language.md");
    fs::read_to_string(path).expect("docs/rule-language.md")
}

/// A fenced block.
pub(crate) struct Block<'p> {
    pub(crate) kind: &'p str,
    pub(crate) text: String,
    /// The heading of the second level that it stands under.
    pub(crate) section: &'p str,
}

/// All of them, in order.
pub(crate) fn all_blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut section = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("## ") {
            section = line;
        }
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            blocks.push(Block {
                kind,
                text,
                section,
            });
        }
    }
    blocks
}

/// The fenced blocks of one kind.
pub(crate) fn blocks(page: &str, kind: &str) -> Vec<String> {
    let blocks = all_blocks(page).into_iter();
    let blocks: Vec<String> = blocks
        .filter(|block| block.kind == kind)
        .map(|block| block.text)
        .collect();
    assert!(!blocks.is_empty(), "no {kind} blocks");
    blocks
}

/// The reference's own `ruleset.yaml`, whose lists its other examples use.
pub(crate) fn manifest(page: &str) -> String {
    let block = blocks(page, "yaml")
        .into_iter()
        .find(|block| block.starts_with("language:"));
    block.expect("an example of ruleset.yaml")
}

/// From a heading to the next of its level.
pub(crate) fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let (_, rest) = page.split_once(heading).expect(heading);
    rest.split("\n## ").next().expect("a section")
}

pub(crate) fn analysis(manifest: &str, rules: &str) -> Analysis {
    analyse(&Sources::from_texts([
        ("ruleset.yaml", manifest),
        ("a.rules.yaml", rules),
        LIST_FILE,
    ]))
}

pub(crate) fn shown(analysis: &Analysis) -> String {
    render(&analysis.diagnostics, &analysis.sources, false)
}

/// A rule file with one rule.
pub(crate) fn rule(when: &str) -> String {
    format!(
        "rules: [{{ id: example, when: '{}', then: deny }}]",
        when.replace('\'', "''")
    )
}
