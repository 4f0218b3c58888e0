//! Signed bundles, as a pusher sends them.

use anyhow::{Context as _, Result};
use ed25519_dalek::SigningKey;
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::{diagnostic, front};
use riskgate_engine::bundle::Bundle;

use crate::NOW_US;

const KEY: [u8; 32] = [1; 32];

/// When bundles are issued and requests happen, Unix time.
pub(super) const NOW_S: u64 = NOW_US as u64 / 1_000_000;

/// The public key that bundles are signed for.
pub(super) fn public_key() -> [u8; 32] {
    SigningKey::from_bytes(&KEY).verifying_key().to_bytes()
}

/// Compiles and signs, and leaves out what is never sent to filters.
pub(super) fn bundle(files: &[(String, String)]) -> Result<Vec<u8>> {
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let analysis = front::analyse(&front::Sources::from_texts(files));
    let report = diagnostic::render(&analysis.diagnostics, &analysis.sources, false);
    let ruleset = analysis.ruleset.with_context(|| report)?;
    let options = BuildOptions {
        revision: 1,
        issued_at_s: NOW_S,
        audience: None,
    };
    let file = build(&ruleset, &options, &SigningKey::from_bytes(&KEY))?;
    Ok(Bundle::parse(&file)?.without_detached())
}
