//! What the fuzz targets do with the bytes they get. The bodies need no fuzzer: the compiler's property tests run them too,
//! on the seeds, so that they cannot rot.

#[allow(
    dead_code,
    unused_imports,
    reason = "the property tests use the rest of it"
)]
#[path = "../../rule-compiler/tests/oracle/mod.rs"]
mod oracle;
mod targets;

/// The bytes of a bundle, or of its sections.
pub fn bundle(data: &[u8]) {
    targets::bundle(data);
}

/// A block of a counter.
pub fn counters(data: &[u8]) {
    targets::counters(data);
}

/// YAML, or an expression.
pub fn text(data: &[u8]) {
    targets::text(data);
}

/// A request.
pub fn request(data: &[u8]) {
    targets::request(data);
}

/// What to start from: each target's name, and inputs to it.
#[must_use]
pub fn seeds() -> [(&'static str, Vec<Vec<u8>>); 4] {
    targets::seeds()
}
