//! A report for programs.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::model::Place;
use super::report::{CaseReport, FailedStep, Mismatch, Report};
use crate::front::time;

/// Grows when a reader of the old form would misunderstand the new one.
const VERSION: u32 = 1;

/// One JSON document. Files are named as they are found through `folder`.
#[must_use]
pub fn json(report: &Report, folder: &Path) -> Value {
    let tests: Vec<Value> = report.cases.iter().map(|case| test(case, folder)).collect();
    let failed = report.failed_count();
    json!({
        "version": VERSION,
        "ruleset": report.ruleset,
        "tests": tests,
        "summary": {
            "tests": report.cases.len(),
            "passed": report.cases.len() - failed,
            "failed": failed,
            "requests": report.request_count(),
        },
    })
}

fn test(case: &CaseReport, folder: &Path) -> Value {
    let failures: Vec<Value> = case
        .failures
        .iter()
        .map(|failure| failed_step(failure, folder))
        .collect();
    json!({
        "name": case.name,
        "file": file(&case.place, folder),
        "line": case.place.line,
        "passed": case.passed(),
        "requests": case.request_count,
        "failures": failures,
    })
}

fn failed_step(failure: &FailedStep, folder: &Path) -> Value {
    let mismatches: Vec<Value> = failure
        .mismatches
        .iter()
        .map(|mismatch| describe(mismatch, folder))
        .collect();
    let verdict: Map<String, Value> = failure
        .verdict
        .iter()
        .map(|(key, value)| (key.name().to_owned(), value.clone()))
        .collect();
    json!({
        "file": file(&failure.place, folder),
        "line": failure.place.line,
        "step": failure.step,
        "repetition": failure.time,
        "repeat": failure.of,
        "failed": failure.failed_count,
        "at": time::format(failure.at_us),
        "request": failure.request,
        "mismatches": mismatches,
        "verdict": verdict,
        "why": failure.why.sentences().collect::<Vec<_>>(),
    })
}

fn describe(mismatch: &Mismatch, folder: &Path) -> Value {
    json!({
        "key": mismatch.key.name(),
        "expected": mismatch.expected,
        "actual": mismatch.actual,
        "file": file(&mismatch.place, folder),
        "line": mismatch.place.line,
    })
}

fn file(place: &Place, folder: &Path) -> String {
    folder.join(&place.file).to_string_lossy().into_owned()
}
