//! What tells a finding from others across commits that move it.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, SourceMap};

/// Half of BLAKE3's output, in hex digits: enough for all findings that there will ever be.
const LEN: usize = 32;

/// A fingerprint for each finding, in their order: of its code, its file's name, and the line that it points at without the
/// white space around it. Equal lines are told apart by their order.
pub(super) fn fingerprints(diagnostics: &[&Diagnostic], sources: &SourceMap) -> Vec<String> {
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    let fingerprint = |found: &&Diagnostic| {
        let content = content(found, sources);
        let earlier = seen.entry(content.clone()).or_default();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&content).update(&earlier.to_le_bytes());
        *earlier += 1;
        let hex = hasher.finalize().to_hex();
        hex.get(..LEN).unwrap_or(&hex).to_owned()
    };
    diagnostics.iter().map(fingerprint).collect()
}

fn content(found: &Diagnostic, sources: &SourceMap) -> Vec<u8> {
    let (name, line) = match sources.get(found.primary.file) {
        Some(file) => (file.name.as_str(), file.line_at(found.primary.range.start)),
        None => ("", ""),
    };
    format!("{}\0{name}\0{}\0", found.code, line.trim()).into_bytes()
}
