//! What can be wrong with an expression's syntax.

use core::ops::Range;

use crate::diagnostic::Code;

/// A syntax error at a place of the expression's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) code: Code,
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl SyntaxError {
    pub(crate) fn new(
        code: Code,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            range,
            message: message.into(),
            help: help.into(),
        }
    }

    /// A construct of CEL that the language leaves out.
    pub(crate) fn unsupported(range: Range<usize>, construct: &str, help: &str) -> Self {
        Self::new(
            Code::UnsupportedConstruct,
            range,
            format!("{construct} not part of this language"),
            help,
        )
    }
}
