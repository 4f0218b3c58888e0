//! The table of docs/trust.md, against the attacks that are tried.

use std::collections::BTreeSet;

use riskgate_e2e::root;

use crate::attack::Attack;
use crate::{altered, misused};

/// The test that tries each family, and the family.
fn families() -> Vec<(&'static str, Vec<Attack>)> {
    vec![
        ("altered::stripping", altered::stripped()),
        ("altered::stripping", altered::stripped_of_two()),
        ("altered::truncation", altered::truncated()),
        ("altered::reordering", altered::reordered()),
        ("altered::substitution", altered::substituted()),
        ("altered::rewriting", altered::rewritten()),
        ("altered::relabelling", altered::relabelled()),
        (
            "misused::confusion_of_what_is_signed",
            misused::over_something_else(),
        ),
        ("misused::confusion_of_keys", misused::by_somebody_else()),
        ("misused::confusion_of_keys", misused::for_two()),
        (
            "misused::confusion_of_addressees",
            misused::for_somebody_else(),
        ),
        ("misused::downgrade", misused::at_another_time()),
    ]
}

#[test]
fn the_page_names_every_attack_its_answer_and_its_test() {
    let page = std::fs::read_to_string(root().join("docs/trust.md")).unwrap();
    let (_, table) = page.split_once("| attack | answer | test |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows: BTreeSet<&str> = table.lines().skip(2).collect();
    let tried: BTreeSet<String> = families()
        .iter()
        .flat_map(|(test, attacks)| attacks.iter().map(move |attack| (test, attack)))
        .map(|(test, Attack { name, answer, .. })| format!("| {name} | `{answer}` | `{test}` |"))
        .collect();
    let tried: BTreeSet<&str> = tried.iter().map(String::as_str).collect();
    assert_eq!(rows, tried);
}
