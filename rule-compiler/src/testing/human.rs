//! A report for people.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::report::{CaseReport, FailedStep, Mismatch, Report};
use crate::front::time;
use crate::words::printable;

/// The failed tests, with what was expected and what came, and one line for all. Files are shown as they are found through
/// `folder`.
#[must_use]
pub fn human(report: &Report, folder: &Path) -> String {
    let mut text = String::new();
    for failed in report.cases.iter().filter(|case| !case.passed()) {
        text += &case(failed, folder);
        text.push('\n');
    }
    text + &report.summary() + "\n"
}

/// What is wrong with a test, in short.
pub(super) fn first_mismatch(case: &CaseReport) -> String {
    let mismatches = case.failures.iter().flat_map(|failure| &failure.mismatches);
    mismatches.map(compared).next().unwrap_or_default()
}

fn compared(mismatch: &Mismatch) -> String {
    format!(
        "{}: expected {}, got {}",
        mismatch.key.name(),
        shown(&mismatch.expected),
        shown(&mismatch.actual)
    )
}

/// What is wrong with a test, in full.
pub(super) fn case(case: &CaseReport, folder: &Path) -> String {
    let mut text = String::new();
    let place = folder.join(case.place.to_string());
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "FAILED {}: {}",
        printable(&place.display().to_string()),
        printable(&case.name)
    );
    for failure in &case.failures {
        let _ = writeln!(text, "  {}", heading(failure, folder));
        for mismatch in &failure.mismatches {
            let _ = writeln!(text, "    {}", compared(mismatch));
        }
        for sentence in failure.why.sentences() {
            let _ = writeln!(text, "    {sentence}");
        }
    }
    text
}

/// Which request it was.
fn heading(failure: &FailedStep, folder: &Path) -> String {
    let mut words = Vec::new();
    if let Some(step) = failure.step {
        words.push(format!("step {step}"));
    }
    if failure.of > 1 {
        words.push(format!("request {} of {}", failure.time, failure.of));
    }
    if failure.failed_count > 1 {
        words.push(format!("the first of {} that failed", failure.failed_count));
    }
    words.push(format!("at {}", time::format(failure.at_us)));
    let place = folder.join(failure.place.to_string());
    format!("{}: {}", place.display(), words.join(", "))
}

/// A value as it stands in a test.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(ids) => {
            let ids: Vec<String> = ids.iter().map(shown).collect();
            format!("[{}]", ids.join(", "))
        }
        Value::Object(tags) => {
            let tags: Vec<String> = tags
                .iter()
                .map(|(name, value)| format!("{}: {}", printable(name), shown(value)))
                .collect();
            match tags.as_slice() {
                [] => "{}".to_owned(),
                tags => format!("{{ {} }}", tags.join(", ")),
            }
        }
        other => other.to_string(),
    }
}
