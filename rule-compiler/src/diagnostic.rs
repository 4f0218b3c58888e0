//! What the compiler has to say about a ruleset: a code, a place, a reason and a remedy.
//!
//! Building one is cheap and does no I/O; [`render`] turns many into text.

mod code;
mod collector;
mod render;
mod source_map;
mod suppression;

use core::ops::Range;

pub use code::{Code, UnknownCode};
pub(crate) use collector::{Diagnostics, Findings};
pub use render::render;
pub(crate) use render::render_counted;
pub use source_map::{FileId, Position, SourceFile, SourceMap};
pub use suppression::Suppressed;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The ruleset cannot be built, or the caller wants none of it.
    Error,
    /// The ruleset can be built, but the author should look at it.
    Warning,
}

impl Severity {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in a file of the ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Which file.
    pub file: FileId,
    /// Bytes of the file.
    pub range: Range<usize>,
}

impl Span {
    /// A span of `file`.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, range }
    }
}

/// A second place that explains the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What is there.
    pub label: String,
}

/// One thing to tell the author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind; it fixes the severity too.
    pub code: Code,
    /// What is wrong, in one lower-case sentence.
    pub message: String,
    /// Where the caret goes.
    pub primary: Span,
    /// What stands beside the caret.
    pub label: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
    /// Facts that help to understand the message.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The id of the rule that it is about, if it is about one.
    pub rule: Option<String>,
    /// It is a warning that the caller takes for an error.
    pub denied: bool,
}

impl Diagnostic {
    /// A diagnostic without label, notes and remedy.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            primary: span,
            label: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            rule: None,
            denied: false,
        }
    }

    /// With text beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With a second place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            label: label.into(),
        });
        self
    }

    /// With a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// With a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// That of its code, or an error if it is denied.
    pub fn severity(&self) -> Severity {
        match self.denied {
            true => Severity::Error,
            false => self.code.severity(),
        }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}
