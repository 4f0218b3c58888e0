//! Tests as they are written, with all names resolved.

use serde_json::Value;

use crate::request_json::OwnedRequest;

/// When a test begins unless its first request has a `time`: 2026-01-01T00:00:00Z, microseconds since the Unix epoch. Fixed, so
/// that no test depends on the day on which it runs.
pub const START_US: i64 = 1_767_225_600_000_000;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path inside the ruleset folder.
    pub file: String,
    /// From 1.
    pub line: u32,
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One test.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// In order; exactly one for a test with a `request`.
    pub steps: Vec<Step>,
    /// Whether it is written as a `sequence`.
    pub is_sequence: bool,
}

/// One step of a test: a request, once or several times.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// How often the request comes.
    pub repeat: u32,
    /// How much time passes after each of them, microseconds.
    pub every_us: i64,
    /// The request.
    pub request: OwnedRequest,
    /// The same as JSON.
    pub written: Value,
    /// What each verdict must be.
    pub expect: Option<Expectation>,
}

/// What a verdict must be.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// Where it stands.
    pub place: Place,
    /// Of each key at most one.
    pub checks: Vec<Check>,
}

/// What one key of a verdict must be.
#[derive(Debug, Clone)]
pub struct Check {
    /// Which.
    pub key: Key,
    /// Its value, in the shape of a verdict as JSON.
    pub expected: Value,
    /// Where it stands.
    pub place: Place,
}

/// A key of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "docs/rule-language.md describes each")]
pub enum Key {
    Action,
    Status,
    Rule,
    Band,
    Score,
    Tags,
    Matched,
    Shadowed,
    Would,
}

impl Key {
    /// Every key, in the order of a verdict.
    pub const ALL: [Key; 9] = [
        Key::Action,
        Key::Status,
        Key::Rule,
        Key::Band,
        Key::Score,
        Key::Tags,
        Key::Matched,
        Key::Shadowed,
        Key::Would,
    ];

    /// Its name in a verdict and in `expect`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Key::Action => "action",
            Key::Status => "status",
            Key::Rule => "rule",
            Key::Band => "band",
            Key::Score => "score",
            Key::Tags => "tags",
            Key::Matched => "matched",
            Key::Shadowed => "shadowed",
            Key::Would => "would",
        }
    }

    /// The key of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.name() == name)
    }
}
