//! A report as a SARIF 2.1.0 log, as services that scan code take it.
//!
//! Each result has a rule with a page, a place, and a fingerprint by which a service knows it again in the next commit.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Report, fingerprint::fingerprints};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceMap, Span};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What fingerprints are made of; a new recipe needs a new name.
const FINGERPRINT: &str = "riskgateLine/v1";

/// The report as SARIF.
///
/// # Errors
///
/// None that is known: whatever a report holds has a form in JSON.
pub fn sarif(report: &Report<'_>) -> serde_json::Result<String> {
    let codes: BTreeSet<Code> = found(report).map(|(found, _)| found.code).collect();
    let notifications: Vec<Value> = report.failures.iter().map(|it| notification(it)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver(&codes) },
            "columnKind": "unicodeCodePoints",
            "results": results(report, &codes),
            "invocations": [{
                "executionSuccessful": report.failures.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
        }],
    });
    serde_json::to_string_pretty(&log)
}

fn driver(codes: &BTreeSet<Code>) -> Value {
    json!({
        "name": "rulec",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": codes.iter().map(|&code| rule(code)).collect::<Vec<_>>(),
    })
}

fn rule(code: Code) -> Value {
    let page = code.page();
    json!({
        "id": code.to_string(),
        "name": code.name(),
        "shortDescription": { "text": code.summary() },
        "fullDescription": { "text": code.summary() },
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": code.severity().name() },
        "properties": { "tags": ["risk-rules"], "precision": "high", "problem.severity": code.severity().name() },
    })
}

/// What has no place in a file is no result: services refuse results without one.
fn notification(failure: &str) -> Value {
    json!({ "level": Severity::Error.name(), "message": { "text": failure } })
}

/// What is shown and what is suppressed, that with the reason.
fn found<'r>(report: &'r Report<'_>) -> impl Iterator<Item = (&'r Diagnostic, Option<&'r str>)> {
    let shown = report
        .analysis
        .diagnostics
        .iter()
        .map(|found| (found, None));
    let suppressed = report.analysis.suppressed.iter();
    shown.chain(suppressed.map(|it| (&it.diagnostic, Some(it.reason.as_str()))))
}

fn results(report: &Report<'_>, codes: &BTreeSet<Code>) -> Vec<Value> {
    let sources = &report.analysis.sources;
    let diagnostics: Vec<&Diagnostic> = found(report).map(|(found, _)| found).collect();
    let fingerprints = fingerprints(&diagnostics, sources);
    let mut results = Vec::new();
    for ((found, reason), fingerprint) in found(report).zip(fingerprints) {
        let index = codes.iter().position(|code| *code == found.code);
        let mut result = result(found, index, &fingerprint, sources);
        if let (Some(reason), Some(object)) = (reason, result.as_object_mut()) {
            let suppression = json!([{ "kind": "inSource", "justification": reason }]);
            object.insert("suppressions".to_owned(), suppression);
        }
        results.push(result);
    }
    results
}

fn result(
    found: &Diagnostic,
    rule_index: Option<usize>,
    fingerprint: &str,
    sources: &SourceMap,
) -> Value {
    let related = found.related.iter().enumerate().map(|(index, related)| {
        json!({
            "id": index + 1,
            "message": { "text": related.label },
            "physicalLocation": place(&related.span, sources),
        })
    });
    json!({
        "ruleId": found.code.to_string(),
        "ruleIndex": rule_index,
        "level": found.severity().name(),
        "message": { "text": message(found) },
        "locations": [{ "physicalLocation": place(&found.primary, sources) }],
        "relatedLocations": related.collect::<Vec<_>>(),
        "partialFingerprints": { FINGERPRINT: fingerprint },
    })
}

/// A service shows one text: the remedy belongs to it.
fn message(found: &Diagnostic) -> String {
    let mut text = found.message.clone();
    for note in &found.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    if let Some(help) = &found.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    text
}

fn place(span: &Span, sources: &SourceMap) -> Value {
    let start = sources.position(span.file, span.range.start);
    let end = sources.position(span.file, span.range.end);
    json!({
        "artifactLocation": { "uri": uri(&sources.path(span.file)) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    })
}

/// A path as a URI: relative as it is given, absolute as a `file` one.
fn uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    path.bytes()
        .fold(scheme.to_owned(), |uri, next| uri + &byte(next))
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("shop/a.rules.yaml"), "shop/a.rules.yaml");
        assert_eq!(uri("/srv/my shop/ä:b"), "file:///srv/my%20shop/%C3%A4%3Ab");
    }
}
