//! Where a fuzzer starts from: the project's own test data, in the form that each target takes.

use std::fs;
use std::path::{Path, PathBuf};

use super::request::{dense, lines};
use super::{bundle, counters, text};
use crate::oracle::generate::Dice;

/// Each target's name, and its seeds.
pub(crate) fn seeds() -> [(&'static str, Vec<Vec<u8>>); 4] {
    [
        ("bundle", [bundle::seeds(), golden_files()].concat()),
        ("counters", counters::seeds()),
        ("text", [conditions(), rulesets()].concat()),
        ("request", [request_lines(), request_json()].concat()),
    ]
}

fn testdata(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")).join(name)
}

fn golden_files() -> Vec<Vec<u8>> {
    entries(&testdata("golden"))
        .iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "bundle")
        })
        .map(|path| [&[bundle::FILE], fs::read(path).expect("a file").as_slice()].concat())
        .collect()
}

fn conditions() -> Vec<Vec<u8>> {
    let conditions = text::CONDITIONS.iter();
    conditions
        .map(|condition| condition.as_bytes().to_vec())
        .collect()
}

/// Every rule file with the manifest beside it, and the first list.
fn rulesets() -> Vec<Vec<u8>> {
    let folders = ["rulesets", "invalid", "golden"]
        .iter()
        .flat_map(|name| entries(&testdata(name)))
        .filter(|path| path.join("ruleset.yaml").is_file());
    folders.flat_map(|folder| of_folder(&folder)).collect()
}

fn of_folder(folder: &Path) -> Vec<Vec<u8>> {
    let manifest = fs::read(folder.join("ruleset.yaml")).expect("a file");
    let list = entries(&folder.join("lists"))
        .first()
        .and_then(|path| fs::read(path).ok())
        .unwrap_or_default();
    entries(folder)
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(".rules.yaml"))
        .map(|path| {
            let rules = fs::read(path).expect("a file");
            [rules.as_slice(), b"\0", &manifest, b"\0", &list].concat()
        })
        .collect()
}

/// In order of their names, so that a seed keeps its number.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

fn request_lines() -> Vec<Vec<u8>> {
    let (dense, mut dice) = (dense(), Dice::new(1));
    (0..40).map(|_| lines(&dense.request(&mut dice))).collect()
}

fn request_json() -> Vec<Vec<u8>> {
    let lines = fs::read_to_string(testdata("requests/storefront.jsonl")).expect("a file");
    lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            line["request"].to_string().into_bytes()
        })
        .collect()
}
