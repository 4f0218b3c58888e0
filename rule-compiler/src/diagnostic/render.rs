//! Diagnostics as text: file, line, column, the line itself with a caret, and the remedy.

use core::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet, normalize_untrusted_str,
};

use super::{Diagnostic, Severity, SourceFile, SourceMap, Span, source_map::floor_char_boundary};

/// More than this many are counted, not shown: nobody reads on, and terminals are slow.
const MAX_SHOWN: usize = 200;

/// A longer caret would push the message beside it off the screen.
const MAX_CARET_LEN: usize = 80;

/// Diagnostics as text, in the order given, with a blank line after each.
///
/// Without `color` the text is plain, fit for logs and snapshots.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceMap, color: bool) -> String {
    render_counted(diagnostics, 0, sources, color)
}

/// The same, where `omitted` more were only counted.
pub(crate) fn render_counted(
    diagnostics: &[Diagnostic],
    omitted: usize,
    sources: &SourceMap,
    color: bool,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for diagnostic in diagnostics.iter().take(MAX_SHOWN) {
        text.push_str(&renderer.render(&[group(diagnostic, sources)]));
        text.push_str("\n\n");
    }
    let hidden = diagnostics.len().saturating_sub(MAX_SHOWN) + omitted;
    if hidden > 0 {
        text.push_str(&format!("and {hidden} more\n\n"));
    }
    text
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a SourceMap) -> Group<'a> {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(&diagnostic.message)
        .id(diagnostic.code.to_string());
    let notes = diagnostic
        .notes
        .iter()
        .map(|note| Level::NOTE.message(normalize_untrusted_str(note)));
    let help = diagnostic
        .help
        .iter()
        .map(|help| Level::HELP.message(normalize_untrusted_str(help)));
    title
        .elements(snippets(diagnostic, sources))
        .elements(notes.chain(help).map(Element::from))
}

/// One snippet for the primary place, then one for each related place in another file or far away.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
) -> Vec<Snippet<'a, Annotation<'a>>> {
    let mut snippets = Vec::new();
    snippets.extend(snippet(
        &diagnostic.primary,
        diagnostic.label.as_deref(),
        AnnotationKind::Primary,
        sources,
    ));
    for related in &diagnostic.related {
        snippets.extend(snippet(
            &related.span,
            Some(&related.label),
            AnnotationKind::Context,
            sources,
        ));
    }
    snippets
}

fn snippet<'a>(
    span: &Span,
    label: Option<&'a str>,
    kind: AnnotationKind,
    sources: &'a SourceMap,
) -> Option<Snippet<'a, Annotation<'a>>> {
    let SourceFile { text, .. } = sources.get(span.file)?;
    let window = Window::around(text, &span.range);
    let annotation = kind.span(window.range).label(label);
    let line = usize::try_from(sources.position(span.file, window.start).line).unwrap_or(1);
    Some(
        Snippet::source(window.text)
            .line_start(line)
            .path(sources.path(span.file))
            .annotation(annotation),
    )
}

/// The lines that a span touches, so that a long file costs no more than a short one.
struct Window<'a> {
    text: &'a str,
    start: usize,
    range: Range<usize>,
}

impl<'a> Window<'a> {
    fn around(text: &'a str, range: &Range<usize>) -> Self {
        let first = floor_char_boundary(text, range.start);
        let last = floor_char_boundary(text, range.end).max(first);
        let last = trim_line_ends(text, first, last);
        let last = floor_char_boundary(text, last.min(first + MAX_CARET_LEN));
        let start = text
            .get(..first)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |newline| newline + 1);
        let end = text
            .get(last..)
            .and_then(|after| after.find('\n'))
            .map_or(text.len(), |newline| last + newline);
        Self {
            text: text.get(start..end).unwrap_or(""),
            start,
            range: first - start..last - start,
        }
    }
}

/// A caret under the line break that ends a block helps nobody.
fn trim_line_ends(text: &str, first: usize, last: usize) -> usize {
    first
        + text
            .get(first..last)
            .map_or(0, |inner| inner.trim_end().len())
}
