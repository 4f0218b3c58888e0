//! What every reader of a file has at hand: the file, its text and the list of complaints.

use core::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Position, SourceMap, Span};

/// A file that is being read.
pub(crate) struct Context<'a> {
    /// All files.
    sources: &'a SourceMap,
    /// Which one this is.
    pub(crate) file: FileId,
    /// Its text.
    pub(crate) text: &'a str,
    /// Where complaints go.
    pub(crate) diagnostics: &'a mut Diagnostics,
}

impl<'a> Context<'a> {
    /// A file of `sources`.
    pub(crate) fn new(
        sources: &'a SourceMap,
        file: FileId,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            sources,
            file,
            text: sources.get(file).map_or("", |file| &file.text),
            diagnostics,
        }
    }

    /// Another file, with the same list of complaints.
    pub(crate) fn in_file(&mut self, file: FileId) -> Context<'_> {
        Context::new(self.sources, file, self.diagnostics)
    }

    /// The file's name.
    pub(crate) fn file_name(&self) -> &'a str {
        self.sources.get(self.file).map_or("", |file| &file.name)
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        self.sources.position(self.file, offset).line
    }

    /// Line and column of a byte.
    pub(crate) fn position(&self, offset: usize) -> Position {
        self.sources.position(self.file, offset)
    }

    /// A place in this file, cut at the end of its first line: a caret is for finding a place, not for covering it.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        let text = self.text.get(range.clone()).unwrap_or("");
        let length = text.find('\n').map_or(text.len(), |end| {
            text.get(..end).map_or(0, |line| line.trim_end().len())
        });
        Span::new(self.file, range.start..range.start + length)
    }

    /// A diagnostic about a place in this file.
    pub(crate) fn diagnostic(
        &self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, self.span(range), message)
    }

    /// Files a complaint.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
