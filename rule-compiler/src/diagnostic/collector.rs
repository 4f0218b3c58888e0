//! Diagnostics while they are found.

use super::{Diagnostic, Span};
use crate::diagnostic::{Code, FileId, Severity};

/// Of errors and of warnings so many are kept, and the rest is counted: a generated file can hold millions of mistakes.
const MAX_KEPT: usize = 1_000;

/// Diagnostics in the order in which they are found.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    kept: Vec<Diagnostic>,
    error_count: usize,
    warning_count: usize,
}

impl Diagnostics {
    /// Files one.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity() {
            Severity::Error => &mut self.error_count,
            Severity::Warning => &mut self.warning_count,
        };
        *count += 1;
        if *count <= MAX_KEPT {
            self.kept.push(diagnostic);
        }
    }

    /// How many there were, kept or not.
    pub(crate) fn count(&self) -> usize {
        self.error_count + self.warning_count
    }

    /// A mark to come back to with [`Self::attribute`].
    pub(crate) fn mark(&self) -> usize {
        self.kept.len()
    }

    /// Says of all that was filed since the mark that it is about this rule.
    pub(crate) fn attribute(&mut self, mark: usize, rule: &str) {
        for diagnostic in self.kept.iter_mut().skip(mark) {
            diagnostic.rule = Some(rule.to_owned());
        }
    }

    /// Whether one is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.error_count > 0
    }

    /// By file, then by position, then errors first; and how many more errors and warnings there were.
    pub(crate) fn finish(mut self) -> (Vec<Diagnostic>, usize, usize) {
        self.kept.sort_by_key(sort_key);
        let omitted_errors = self.error_count.saturating_sub(MAX_KEPT);
        let omitted_warnings = self.warning_count.saturating_sub(MAX_KEPT);
        (self.kept, omitted_errors, omitted_warnings)
    }
}

fn sort_key(diagnostic: &Diagnostic) -> (FileId, usize, usize, Severity, Code) {
    let Span { file, range } = &diagnostic.primary;
    (
        *file,
        range.start,
        range.end,
        diagnostic.severity(),
        diagnostic.code,
    )
}
