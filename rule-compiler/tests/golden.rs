//! Bundles in `testdata/golden` load and decide as ever, and the compiler still writes them.
//!
//! `UPDATE_EXPECT=1 cargo test -p riskgate-compiler --test golden` writes the bundle anew; the folder's README says
//! when that is right.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::path::{Path, PathBuf};
use std::{env, fs};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::session::Session;
use riskgate_compiler::verdict_json::VerdictJson;
use riskgate_compiler::{front, keys, request_json};
use riskgate_engine::admission::Admission;
use riskgate_engine::bundle::{Bundle, MAX_BUNDLE_LEN};
use riskgate_engine::ruleset::Ruleset;
use riskgate_engine::trust::TrustedKeys;
use serde_json::Value;

/// Known to everybody who can read this: it signs test data only.
const TEST_KEY: &[u8; 32] = b"riskgate golden bundle, TEST KEY";
/// 2026-11-01T00:00:00Z.
const ISSUED_AT_S: u64 = 1_793_491_200;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/golden")
        .join(name)
}

/// Each has a ruleset, requests and a bundle of this name. All but the first use what only newer engines have.
const BUNDLES: [&str; 4] = ["v2", "v2-body", "v2-canary", "v2-counters"];

#[test]
fn todays_compiler_writes_the_same_bytes() {
    BUNDLES.into_iter().for_each(check_bytes);
}

fn check_bytes(name: &str) {
    let sources = front::read_ruleset(&golden(name)).unwrap();
    let ruleset = front::analyse(&sources)
        .ruleset
        .expect("a ruleset without errors");
    let options = BuildOptions {
        revision: 1,
        issued_at_s: ISSUED_AT_S,
        audience: None,
    };
    let key = SigningKey::from_bytes(TEST_KEY);
    let bytes = build(&ruleset, &options, &key).unwrap();
    let public = key
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    let file = format!("{name}.bundle");
    if env::var_os("UPDATE_EXPECT").is_some() {
        replace(&file, &bytes);
        replace("v2.pub.pem", public.as_bytes());
    }
    assert_eq!(fs::read_to_string(golden("v2.pub.pem")).unwrap(), public);
    let expected = fs::read(golden(&file)).unwrap();
    let first = bytes.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(
        bytes == expected,
        "{name}: {} bytes instead of {}, the first difference at {first:?}; testdata/golden/README.md says what to do",
        bytes.len(),
        expected.len(),
    );
}

/// At once, because the other tests read it.
fn replace(name: &str, contents: &[u8]) {
    let temporary = golden(&format!("{name}.tmp"));
    fs::write(&temporary, contents).unwrap();
    fs::rename(temporary, golden(name)).unwrap();
}

#[test]
fn todays_engine_decides_as_ever() {
    let entries = fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_bundle = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "bundle")
    };
    let bundles: Vec<PathBuf> = entries.filter(is_bundle).collect();
    for name in BUNDLES {
        assert!(bundles.contains(&golden(&format!("{name}.bundle"))));
    }
    for path in bundles {
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() <= MAX_BUNDLE_LEN);
        let sent = Bundle::parse(&bytes).unwrap().without_detached();
        for file in [bytes, sent] {
            check_verdicts(&load(&file), &requests(&path));
        }
    }
}

/// Loads it as a filter would that is configured for it, a second after its issue.
fn load(file: &[u8]) -> Ruleset {
    let key = keys::read_public_key(&golden("v2.pub.pem")).unwrap();
    let trust = TrustedKeys::new(&[key], 1).unwrap();
    let admission = Admission {
        trust: &trust,
        ruleset: "golden",
        audience: None,
        min_revision: 1,
        now_s: ISSUED_AT_S + 1,
        mark: None,
    };
    Ruleset::load(&admission.admit(file).unwrap()).unwrap()
}

/// What a bundle is asked, with what it has to answer.
fn requests(bundle: &Path) -> String {
    let text = fs::read_to_string(bundle.with_extension("requests.jsonl")).unwrap();
    assert!(!text.is_empty(), "no requests");
    text
}

fn check_verdicts(ruleset: &Ruleset, requests: &str) {
    let mut session = Session::new(ruleset, 0);
    for line in requests.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let expected: VerdictJson = serde_json::from_value(case["expect"].clone()).unwrap();
        let request = request_json::parse(&case["request"].to_string()).unwrap();
        request.time_us().expect("every request has its time");
        assert_eq!(session.decide(&request), expected, "{line}");
    }
}

/// A corpus that left rules out would let them change.
#[test]
fn every_golden_rule_is_matched_and_missed() {
    BUNDLES.into_iter().for_each(check_matches);
}

fn check_matches(name: &str) {
    let path = golden(&format!("{name}.bundle"));
    let ruleset = load(&fs::read(&path).unwrap());
    let text = requests(&path);
    let matches: Vec<Vec<String>> = text
        .lines()
        .map(|line| {
            let case: Value = serde_json::from_str(line).unwrap();
            let verdict: VerdictJson = serde_json::from_value(case["expect"].clone()).unwrap();
            [verdict.matched, verdict.shadowed].concat()
        })
        .collect();
    for rule in ruleset.rule_ids() {
        let times = matches
            .iter()
            .filter(|matched| matched.iter().any(|id| id == rule))
            .count();
        assert!(
            times > 0 && times < matches.len(),
            "`{rule}` is matched by {times} requests"
        );
    }
}
