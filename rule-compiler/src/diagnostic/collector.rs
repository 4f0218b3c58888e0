//! Diagnostics while they are found.

use super::{
    Code, Diagnostic, FileId, Severity, Span,
    suppression::{Suppressed, Suppressions},
};

/// Of errors and of warnings so many are kept, and the rest is counted: a generated file can hold millions of mistakes.
const MAX_KEPT: usize = 1_000;

/// Diagnostics in the order in which they are found.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    kept: Vec<Diagnostic>,
    suppressed: Vec<Suppressed>,
    suppressed_count: usize,
    error_count: usize,
    warning_count: usize,
    rule: Option<String>,
    /// What the author has answered.
    pub(crate) suppressions: Suppressions,
}

/// All diagnostics, each list by file, then by position, then errors first.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) suppressed: Vec<Suppressed>,
    /// How many were suppressed, kept or not.
    pub(crate) suppressed_count: usize,
    /// How many more errors there were.
    pub(crate) omitted_errors: usize,
    /// How many more warnings there were.
    pub(crate) omitted_warnings: usize,
}

impl Diagnostics {
    /// What is filed from now on is about this rule, or about none.
    pub(crate) fn about(&mut self, rule: Option<&str>) {
        self.rule = rule.map(str::to_owned);
    }

    /// The rule that is being read.
    pub(crate) fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// Files one.
    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.rule.is_none() {
            diagnostic.rule.clone_from(&self.rule);
        }
        let count = match diagnostic.severity() {
            Severity::Error => &mut self.error_count,
            Severity::Warning => match self.suppressions.reason(&diagnostic) {
                Some(reason) => return self.suppress(diagnostic, reason),
                None => &mut self.warning_count,
            },
        };
        *count += 1;
        if *count <= MAX_KEPT {
            self.kept.push(diagnostic);
        }
    }

    fn suppress(&mut self, diagnostic: Diagnostic, reason: String) {
        self.suppressed_count += 1;
        if self.suppressed_count <= MAX_KEPT {
            self.suppressed.push(Suppressed { diagnostic, reason });
        }
    }

    /// How many there were, kept or not.
    pub(crate) fn count(&self) -> usize {
        self.error_count + self.warning_count
    }

    /// Whether one is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.error_count > 0
    }

    /// All that was filed.
    pub(crate) fn finish(mut self) -> Findings {
        self.kept.sort_by_key(sort_key);
        self.suppressed
            .sort_by_key(|suppressed| sort_key(&suppressed.diagnostic));
        Findings {
            diagnostics: self.kept,
            suppressed: self.suppressed,
            suppressed_count: self.suppressed_count,
            omitted_errors: self.error_count.saturating_sub(MAX_KEPT),
            omitted_warnings: self.warning_count.saturating_sub(MAX_KEPT),
        }
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
