//! What came of a run.

use serde_json::Value;

use super::model::{Case, Key, Place};
use super::run::Known;
use crate::ir;

/// What came of all tests.
#[derive(Debug, Clone)]
pub struct Report {
    /// The ruleset's name.
    pub ruleset: String,
    /// In the order of files and positions.
    pub cases: Vec<CaseReport>,
}

/// What came of one test.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Where that stands.
    pub place: Place,
    /// How many requests were decided.
    pub request_count: u64,
    /// How many expectations were of a key that the decider does not show, and so not checked.
    pub untold_count: u64,
    /// Nothing if it passed.
    pub failures: Vec<FailedStep>,
}

/// A step whose expectation was not met.
#[derive(Debug, Clone)]
pub struct FailedStep {
    /// Where the expectation stands.
    pub place: Place,
    /// Which step of a sequence, from 1.
    pub step: Option<usize>,
    /// The first of its repetitions that failed, from 1.
    pub time: u32,
    /// How many repetitions there are.
    pub of: u32,
    /// How many of them failed.
    pub failed_count: u32,
    /// When the first that failed happened, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Its request, as JSON.
    pub request: Value,
    /// Its verdict.
    pub verdict: Known,
    /// Not empty.
    pub mismatches: Vec<Mismatch>,
    /// Why the verdict is as it is.
    pub why: Why,
}

/// A key of a verdict that is not what it was expected to be.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// Which.
    pub key: Key,
    /// What the test says.
    pub expected: Value,
    /// What the verdict says.
    pub actual: Value,
    /// Where the expectation stands.
    pub place: Place,
}

/// Why a verdict is as it is, in sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Why {
    /// What decided.
    pub decided: Option<String>,
    /// For each rule that was expected to do something, what became of it.
    pub rules: Vec<String>,
}

impl CaseReport {
    pub(super) fn new(case: &Case) -> CaseReport {
        CaseReport {
            name: case.name.clone(),
            place: case.place.clone(),
            request_count: 0,
            untold_count: 0,
            failures: Vec::new(),
        }
    }

    /// Whether every expectation was met.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Report {
    /// How many tests failed.
    #[must_use]
    pub fn failed_count(&self) -> usize {
        self.cases.iter().filter(|case| !case.passed()).count()
    }

    /// How many requests were decided.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.cases.iter().map(|case| case.request_count).sum()
    }

    /// How many expectations were not checked, because the decider does not show their keys.
    #[must_use]
    pub fn untold_count(&self) -> u64 {
        self.cases.iter().map(|case| case.untold_count).sum()
    }

    /// The result in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let total = self.cases.len();
        let failed = self.failed_count();
        let tests = if total == 1 { "test" } else { "tests" };
        let result = match failed {
            0 => "all passed".to_owned(),
            _ => format!("{} passed, {failed} failed", total - failed),
        };
        format!("{}: {total} {tests}, {result}", self.ruleset)
    }
}

impl Why {
    /// All of them.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        self.decided.iter().chain(&self.rules).map(String::as_str)
    }

    pub(super) fn new(
        known: &Known,
        mismatches: &[Mismatch],
        ruleset: &ir::Ruleset,
        at_us: i64,
    ) -> Why {
        let mut expected: Vec<&str> = mismatches
            .iter()
            .flat_map(|mismatch| rules_of(mismatch.key, &mismatch.expected))
            .collect();
        let mut seen = std::collections::HashSet::new();
        expected.retain(|id| seen.insert(*id));
        Why {
            decided: decided(known, ruleset),
            rules: expected
                .into_iter()
                .filter_map(|id| fate(id, known, ruleset, at_us))
                .collect(),
        }
    }
}

/// The rules that an expectation names.
fn rules_of(key: Key, expected: &Value) -> Vec<&str> {
    match key {
        Key::Rule => expected.as_str().into_iter().collect(),
        Key::Matched | Key::Shadowed => {
            let ids = expected.as_array().map(Vec::as_slice).unwrap_or_default();
            ids.iter().filter_map(Value::as_str).collect()
        }
        _ => Vec::new(),
    }
}

fn value(known: &Known, key: Key) -> Option<&Value> {
    known
        .iter()
        .find(|(found, _)| *found == key)
        .map(|(_, value)| value)
}

fn rule<'r>(id: &str, ruleset: &'r ir::Ruleset) -> Option<&'r ir::Rule> {
    ruleset.rules.iter().find(|rule| rule.id == id)
}

/// Nothing if the decider does not show what decided.
fn decided(known: &Known, ruleset: &ir::Ruleset) -> Option<String> {
    if let Some(id) = value(known, Key::Rule)?.as_str() {
        let place = rule(id, ruleset).map_or_else(String::new, |rule| {
            format!(" ({}:{})", rule.origin.file, rule.origin.line)
        });
        return Some(format!("rule `{id}`{place} decided"));
    }
    let score = value(known, Key::Score).map_or(0, |score| score.as_i64().unwrap_or(0));
    Some(match value(known, Key::Band)?.as_i64() {
        Some(band) => format!("the score band from {band} decided, with a score of {score}"),
        None => {
            format!("no rule and no score band decided, with a score of {score}: the default holds")
        }
    })
}

/// What became of a rule that was expected to do something.
fn fate(id: &str, known: &Known, ruleset: &ir::Ruleset, at_us: i64) -> Option<String> {
    let named = |key| value(known, key).map(|ids| rules_of(Key::Matched, ids).contains(&id));
    let (matched, shadowed) = (named(Key::Matched)?, named(Key::Shadowed)?);
    let rule = rule(id, ruleset)?;
    let place = format!("{}:{}", rule.origin.file, rule.origin.line);
    if shadowed {
        return Some(format!("`{id}` ({place}) matched, but only in the shadow"));
    }
    let is_active = rule.active.from_us.is_none_or(|from_us| from_us <= at_us)
        && rule.active.until_us.is_none_or(|until_us| at_us < until_us);
    if !is_active {
        return Some(format!("`{id}` ({place}) was not `active` then"));
    }
    if !matched {
        return Some(format!("`{id}` ({place}) did not match"));
    }
    let winner = value(known, Key::Rule)?
        .as_str()
        .filter(|winner| *winner != id);
    Some(
        match winner.and_then(|winner| self::rule(winner, ruleset)) {
            Some(winner) if winner.priority > rule.priority => format!(
                "`{id}` ({place}) matched, but `{}` has priority {} over its {}",
                winner.id, winner.priority, rule.priority
            ),
            Some(winner) => format!(
                "`{id}` ({place}) matched, but `{}` stands before it",
                winner.id
            ),
            None => format!("`{id}` ({place}) matched"),
        },
    )
}
