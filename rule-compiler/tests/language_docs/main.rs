//! The author's reference says nothing that the compiler does not do: its examples are compiled, and do what it says of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod bounds;
mod examples;
mod page;

use std::collections::BTreeSet;

use riskgate_compiler::{diagnostic::Code, request_json, testing, verdict_json::VerdictJson};

use page::{blocks, page, section};

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
