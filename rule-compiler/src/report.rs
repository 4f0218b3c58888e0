//! What a check found, in the forms that `rulec check` prints: a summary for people, JSON and SARIF for machines.
//!
//! The text with carets is [`Analysis::report`]'s.

mod cost_json;
mod fingerprint;
mod json;
mod sarif;

use std::collections::BTreeSet;

use crate::{cost, diagnostic::Diagnostic, front::Analysis, ir};

pub use json::json;
pub use sarif::sarif;

/// All that a check found.
#[derive(Debug)]
pub struct Report<'a> {
    /// What the analysis found.
    pub analysis: &'a Analysis,
    /// What no place of the ruleset is to blame for: a limit of bundles that it passes, or one of the caller's.
    pub failures: Vec<String>,
    /// What the rules cost, if that was asked for and there are any.
    pub cost: Option<&'a cost::Report>,
}

/// So many findings of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Denied warnings are among them.
    pub errors: usize,
    /// All others.
    pub warnings: usize,
    /// Files that a finding points into.
    pub files: usize,
}

impl Report<'_> {
    /// How many of each there are, those included that were only counted.
    pub fn counts(&self) -> Counts {
        let Analysis {
            diagnostics,
            omitted_errors,
            omitted_warnings,
            ..
        } = self.analysis;
        let errors = diagnostics.iter().filter(|found| found.is_error()).count();
        let files: BTreeSet<_> = diagnostics.iter().map(|found| found.primary.file).collect();
        Counts {
            errors: errors + omitted_errors + self.failures.len(),
            warnings: diagnostics.len() - errors + omitted_warnings,
            files: files.len(),
        }
    }

    /// Whether there is an error, or something of the same weight.
    pub fn has_errors(&self) -> bool {
        !self.failures.is_empty() || self.analysis.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// How the check ended, in one line.
    pub fn summary(&self) -> String {
        let Counts {
            errors,
            warnings,
            files,
        } = self.counts();
        let place = format!("in {}", counted(files, "file"));
        let answered = match self.analysis.suppressed_count {
            0 => String::new(),
            count => format!(", {count} suppressed"),
        };
        let ruleset = self.analysis.ruleset.as_ref().filter(|_| errors == 0);
        let summary = match (ruleset, warnings) {
            (Some(ruleset), 0) => format!("{}, no errors", title(ruleset)),
            (Some(ruleset), _) => {
                let warnings = counted(warnings, "warning");
                format!("{}, no errors, {warnings} {place}", title(ruleset))
            }
            (None, 0) if files == 0 => counted(errors, "error"),
            (None, 0) => format!("{} {place}", counted(errors, "error")),
            (None, _) => {
                let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
                format!("{errors}, {warnings} {place}")
            }
        };
        summary + &answered
    }
}

fn title(ruleset: &ir::Ruleset) -> String {
    format!("{}: {}", ruleset.name, counted(ruleset.rules.len(), "rule"))
}

/// `1 rule`, `2 rules`.
pub fn counted(count: usize, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}
