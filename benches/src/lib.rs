//! What benchmarks share: the storefront ruleset, its request corpus, and the check of every answer.
//!
//! ```text
//! cargo bench -p riskgate-benches
//! ```
//!
//! No benchmark times an answer that it has not checked first.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops where what it generated itself is wrong"
)]

pub mod child;
pub mod envoy;
pub mod machine;
pub mod measure;
pub mod model;
pub mod plots;
pub mod prepared;
pub mod record;
pub mod tables;
pub mod wasm;
pub mod workloads;

pub use riskgate_e2e::random;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::SigningKey;
use riskgate_compiler::build::{BuildOptions, build, load_unverified, ruleset_in_memory};
use riskgate_compiler::request_json::{self, OwnedRequest};
use riskgate_compiler::verdict_json::VerdictJson;
use riskgate_compiler::{diagnostic, front, ir};
use riskgate_engine::ruleset::{Ruleset, Scratch};
use serde::Deserialize;

/// When requests without a time happen, microseconds since the Unix epoch.
pub const NOW_US: i64 = 1_795_000_000_000_000;

/// As [`NOW_US`], in seconds: when bundles are issued.
const NOW_S: u64 = NOW_US.unsigned_abs() / 1_000_000;

/// What generated bundles are signed with.
const KEY: [u8; 32] = [9; 32];

/// A request of the corpus and the verdict that was reviewed for it.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The request.
    pub request: OwnedRequest,
    /// The whole verdict.
    pub expect: VerdictJson,
}

#[derive(Deserialize)]
struct Line<'a> {
    name: String,
    #[serde(borrow)]
    request: &'a serde_json::value::RawValue,
    expect: VerdictJson,
}

/// A folder of `testdata/`.
#[must_use]
pub fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(path)
}

/// Compiles a ruleset folder and loads it as a filter would.
///
/// # Errors
///
/// When the folder cannot be read or has errors.
pub fn load_ruleset(folder: &Path) -> Result<Ruleset> {
    let ruleset = analysed(&front::read_ruleset(folder)?)?;
    Ok(ruleset_in_memory(&ruleset)?)
}

/// Compiles a ruleset that is in memory: names and texts of its files.
///
/// # Errors
///
/// When it has errors.
pub fn compile(files: &[(String, String)]) -> Result<Ruleset> {
    load_bundle(&bundle(files)?)
}

/// The bundle of a ruleset that is in memory, signed for [`public_key`].
///
/// # Errors
///
/// When the ruleset has errors.
pub fn bundle(files: &[(String, String)]) -> Result<Vec<u8>> {
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let ruleset = analysed(&front::Sources::from_texts(files))?;
    let options = BuildOptions {
        revision: 1,
        issued_at_s: NOW_S,
        audience: None,
    };
    Ok(build(&ruleset, &options, &SigningKey::from_bytes(&KEY))?)
}

/// What generated bundles are signed for.
fn public_key() -> [u8; 32] {
    SigningKey::from_bytes(&KEY).verifying_key().to_bytes()
}

/// Loads a bundle, whoever signed it.
///
/// # Errors
///
/// When it is malformed.
pub fn load_bundle(bytes: &[u8]) -> Result<Ruleset> {
    Ok(load_unverified(bytes, None)?)
}

fn analysed(sources: &front::Sources) -> Result<ir::Ruleset> {
    let analysis = front::analyse(sources);
    let report = diagnostic::render(&analysis.diagnostics, &analysis.sources, false);
    analysis.ruleset.context(report)
}

/// Reads a request corpus.
///
/// # Errors
///
/// Names the line that is not of the corpus's shape.
pub fn load_corpus(file: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parse = |(index, line): (usize, &str)| -> Result<Case> {
        let place = || format!("{}:{}", file.display(), index + 1);
        let Line {
            name,
            request,
            expect,
        } = serde_json::from_str(line).with_context(place)?;
        let request = request_json::parse(request.get()).with_context(place)?;
        Ok(Case {
            name,
            request,
            expect,
        })
    };
    text.lines().enumerate().map(parse).collect()
}

/// Checks every verdict of the corpus.
///
/// # Errors
///
/// Names the first request whose verdict is not the reviewed one.
pub fn check_answers(ruleset: &Ruleset, corpus: &[Case]) -> Result<()> {
    let mut scratch = Scratch::default();
    for Case {
        name,
        request,
        expect,
    } in corpus
    {
        let got = request.with(NOW_US, |request| {
            VerdictJson::from(&ruleset.decide(request, &mut scratch))
        });
        ensure!(
            got == *expect,
            "`{name}` is decided as {got:?}, not as {expect:?}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storefront_corpus_gets_its_reviewed_verdicts() {
        let ruleset = load_ruleset(&testdata("rulesets/storefront")).unwrap();
        let corpus = load_corpus(&testdata("requests/storefront.jsonl")).unwrap();
        assert!(ruleset.rule_count() >= 40, "{} rules", ruleset.rule_count());
        assert!(corpus.len() >= 300, "{} requests", corpus.len());
        check_answers(&ruleset, &corpus).unwrap();
    }
}
