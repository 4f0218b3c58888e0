//! A report as one JSON document. docs/check.md describes it: keys are added, never renamed.

use serde::Serialize;

use super::{Counts, Report, cost_json::CostReport};
use crate::{
    diagnostic::{Diagnostic, SourceMap, Span},
    ir::Counter,
    lower::approximate_lists,
};

/// Grows when a reader of the old form would misunderstand the new one.
const VERSION: u32 = 1;

/// The report as JSON.
///
/// # Errors
///
/// None that is known: whatever a report holds has a form in JSON.
pub fn json(report: &Report<'_>) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document::new(report))
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    ruleset: Option<&'a str>,
    rules: usize,
    summary: Summary,
    diagnostics: Vec<Finding<'a>>,
    suppressed: Vec<Answered<'a>>,
    failures: &'a [String],
    approximate_lists: Vec<ListNote<'a>>,
    counters: Vec<CounterNote<'a>>,
    cost: Option<CostReport<'a>>,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    files: usize,
    omitted: usize,
    suppressed: usize,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: String,
    severity: &'static str,
    message: &'a str,
    rule: Option<&'a str>,
    #[serde(flatten)]
    place: Place,
    label: Option<&'a str>,
    related: Vec<RelatedPlace<'a>>,
    notes: &'a [String],
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct Answered<'a> {
    reason: &'a str,
    #[serde(flatten)]
    finding: Finding<'a>,
}

#[derive(Serialize)]
struct RelatedPlace<'a> {
    message: &'a str,
    #[serde(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Place {
    file: String,
    start: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct ListNote<'a> {
    name: &'a str,
    values: usize,
    bytes: usize,
    false_positives_one_in: u32,
}

#[derive(Serialize)]
struct CounterNote<'a> {
    name: &'a str,
    window_ms: u32,
    max_keys: u32,
    memory_bytes: u64,
}

impl<'a> CounterNote<'a> {
    fn new(counter: &'a Counter) -> Self {
        Self {
            name: &counter.name,
            window_ms: counter.window_ms,
            max_keys: counter.max_keys,
            memory_bytes: counter.memory_bytes(),
        }
    }
}

impl<'a> Document<'a> {
    fn new(report: &'a Report<'_>) -> Self {
        let analysis = report.analysis;
        let Counts {
            errors,
            warnings,
            files,
        } = report.counts();
        let finding = |found: &'a Diagnostic| Finding::new(found, &analysis.sources);
        let lists = analysis.ruleset.iter().flat_map(approximate_lists);
        let counters = analysis.ruleset.iter().flat_map(|it| &it.counters);
        Self {
            version: VERSION,
            ruleset: analysis.ruleset.as_ref().map(|ruleset| &*ruleset.name),
            rules: analysis.ruleset.as_ref().map_or(0, |it| it.rules.len()),
            summary: Summary {
                errors,
                warnings,
                files,
                omitted: analysis.omitted_errors + analysis.omitted_warnings,
                suppressed: analysis.suppressed_count,
            },
            diagnostics: analysis.diagnostics.iter().map(finding).collect(),
            suppressed: analysis
                .suppressed
                .iter()
                .map(|suppressed| Answered {
                    reason: &suppressed.reason,
                    finding: finding(&suppressed.diagnostic),
                })
                .collect(),
            failures: &report.failures,
            approximate_lists: lists
                .map(|list| ListNote {
                    name: list.name,
                    values: list.value_count,
                    bytes: list.length,
                    false_positives_one_in: list.false_positives_one_in,
                })
                .collect(),
            counters: counters.map(CounterNote::new).collect(),
            cost: report.cost.map(CostReport::new),
        }
    }
}

impl<'a> Finding<'a> {
    fn new(found: &'a Diagnostic, sources: &SourceMap) -> Self {
        let related = found.related.iter().map(|related| RelatedPlace {
            message: &related.label,
            place: Place::new(&related.span, sources),
        });
        Self {
            code: found.code.to_string(),
            severity: found.severity().name(),
            message: &found.message,
            rule: found.rule.as_deref(),
            place: Place::new(&found.primary, sources),
            label: found.label.as_deref(),
            related: related.collect(),
            notes: &found.notes,
            help: found.help.as_deref(),
        }
    }
}

impl Place {
    fn new(span: &Span, sources: &SourceMap) -> Self {
        let position = |offset| {
            let position = sources.position(span.file, offset);
            Position {
                line: position.line,
                column: position.column,
            }
        };
        Self {
            file: sources.path(span.file),
            start: position(span.range.start),
            end: position(span.range.end),
        }
    }
}
