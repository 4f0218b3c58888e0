//! Texts after `|` and `>`.

use core::ops::Range;

use super::comments::Comment;
use crate::front::yaml::{Node, Scalar};

/// A text after `|` or `>`, without its indentation.
pub(super) struct BlockScalar<'a> {
    /// `|` or `>`, with the `-` or `+` behind it.
    marks: String,
    /// Where the line of the `|` or `>` ends, but for a comment.
    pub(super) header_end: usize,
    /// Whether empty lines at its end belong to it.
    pub(super) keeps_its_end: bool,
    /// Its lines, without those at its end that mean nothing.
    pub(super) lines: Vec<&'a str>,
}

impl<'a> BlockScalar<'a> {
    /// The block of a file that `node` is.
    pub(super) fn new(
        file: &'a str,
        comments: &[Comment],
        node: &'a Node,
        scalar: &'a Scalar,
    ) -> Option<Self> {
        let header = header(file, comments, node.range.start)?;
        let marks = file.get(header.clone())?;
        let lines = match marks.starts_with('|') {
            true => lines_of(&scalar.text),
            false => folded(file.get(header.end..node.range.end)?, &scalar.text),
        };
        Some(Self {
            marks: marks.replace(|mark: char| mark.is_ascii_digit(), ""),
            header_end: header.end,
            keeps_its_end: marks.contains('+'),
            lines,
        })
    }

    /// The `|` or `>` and what belongs to it, for lines that are indented by `step`. The number is for a text that begins with
    /// spaces: they would be taken for indentation.
    pub(super) fn header(&self, step: usize) -> String {
        let first = self.lines.iter().find(|line| !line.is_empty());
        let (indicator, chomping) = self.marks.split_at(1);
        match first.is_some_and(|first| first.starts_with(' ')) {
            true => format!("{indicator}{step}{chomping}"),
            false => self.marks.clone(),
        }
    }
}

/// Where the `|` or `>` of a block stands.
pub(super) fn start(file: &str, comments: &[Comment], node: &Node) -> usize {
    header(file, comments, node.range.start).map_or(node.range.start, |header| header.start)
}

/// The `|` or `>` on the last line before the content that is not empty.
fn header(file: &str, comments: &[Comment], content: usize) -> Option<Range<usize>> {
    let before = file.get(..content)?.trim_end_matches([' ', '\t', '\n']);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let on_line = |comment: &&Comment| (line_start..content).contains(&comment.offset);
    let end = comments
        .iter()
        .find(on_line)
        .map_or(before.len(), |comment| comment.offset);
    let line = file
        .get(line_start..end)?
        .trim_end_matches([' ', '\t', '\n']);
    let start = line.rfind(['|', '>'])?;
    Some(line_start + start..line_start + line.len())
}

fn lines_of(text: &str) -> Vec<&str> {
    match text {
        "" => Vec::new(),
        _ => text
            .strip_suffix('\n')
            .unwrap_or(text)
            .split('\n')
            .collect(),
    }
}

/// The lines of a text after `>` as they are in the file: their breaks are gone from the text itself. `content` begins at the end
/// of the header.
fn folded<'a>(content: &'a str, text: &str) -> Vec<&'a str> {
    let is_black = |line: &&str| !line.trim_matches([' ', '\t']).is_empty();
    let lines = content.split('\n').skip(1);
    // The first line that is not empty says how much of its indentation belongs to the text.
    let first = |indented: Option<&str>| indented.map_or(0, indentation);
    let inner = first(text.split('\n').find(is_black));
    let margin = first(lines.clone().find(is_black)).saturating_sub(inner);
    let mut lines: Vec<&str> = lines.map(|line| line.get(margin..).unwrap_or("")).collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    let breaks = text.len() - text.trim_end_matches('\n').len();
    let kept = breaks.saturating_sub(usize::from(!lines.is_empty()));
    lines.extend(core::iter::repeat_n("", kept));
    lines
}

/// The spaces that a line begins with.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
