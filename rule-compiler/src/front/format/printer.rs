//! A tree as text.

use super::{
    block_scalar::{self, BlockScalar},
    comments::Comment,
    role::Role,
    scalar::one_line,
};
use crate::front::{
    rule,
    yaml::{Entry, Kind, Node, Scalar, Style},
};

/// A longer `{..}` or `[..]` is broken into lines.
const MAX_WIDTH: usize = 140;
const STEP: usize = 2;

/// Prints one file.
pub(super) struct Printer<'a> {
    text: &'a str,
    comments: core::iter::Peekable<core::slice::Iter<'a, Comment>>,
    all_comments: &'a [Comment],
    out: String,
    /// Where the last text ends of which all empty lines at its end are part.
    kept_end: usize,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// Of the line that it begins on.
    indent: usize,
    /// Where the next thing of the file begins.
    limit: usize,
    role: Role,
}

impl<'a> Printer<'a> {
    pub(super) fn new(text: &'a str, comments: &'a [Comment]) -> Self {
        Self {
            text,
            comments: comments.iter().peekable(),
            all_comments: comments,
            out: String::new(),
            kept_end: 0,
        }
    }

    pub(super) fn document(mut self, root: Option<&Node>, role: Role) -> String {
        let limit = self.text.len();
        if let Some(root) = root.filter(|root| !root.is_null()) {
            self.before(root.range.start, 0, true);
            let place = Place {
                indent: 0,
                limit,
                role,
            };
            match self.inline(root, place) {
                Some(line) => {
                    self.out.push_str(&line);
                    self.end_line(root.range.end);
                }
                None => self.block(root, place, false),
            }
        }
        while let Some(comment) = self.comments.next() {
            self.comment(comment, 0, self.out.is_empty());
        }
        self.out
    }

    /// The lines of a collection or of a long text. `begun` says that the first line has its indentation already.
    fn block(&mut self, node: &Node, place: Place, begun: bool) {
        match &node.kind {
            Kind::Mapping(entries) => self.entries(node, entries, place, begun),
            Kind::Sequence(items) => self.items(items, place, begun),
            Kind::Scalar(_) | Kind::Refused => {}
        }
    }

    fn entries(&mut self, node: &Node, entries: &[Entry], place: Place, begun: bool) {
        let mut ordered: Vec<&Entry> = entries.iter().collect();
        let is_ordered = self.order(node, &mut ordered, place.role);
        for (index, entry) in ordered.iter().enumerate() {
            let next = ordered.get(index + 1).filter(|_| is_ordered);
            let limit = next.map_or(place.limit, |next| next.key_range.start);
            if index > 0 || !begun {
                if is_ordered {
                    self.before(entry.key_range.start, place.indent, index == 0);
                }
                self.indent(place.indent);
            }
            let key = self.text.get(entry.key_range.clone()).unwrap_or("");
            self.out.push_str(key);
            self.out.push(':');
            let place = Place {
                limit,
                role: place.role.under(&entry.key),
                ..place
            };
            self.value(&entry.value, entry.key_range.end, place);
        }
        let column = entries
            .first()
            .map_or(0, |first| self.column(first.key_range.start));
        self.tail(column, place);
    }

    /// Puts the keys of a rule in order, if no comment stands among them. Tells whether they are in the order of the file.
    fn order(&self, node: &Node, entries: &mut [&Entry], role: Role) -> bool {
        let inside = |comment: &Comment| node.range.contains(&comment.offset);
        if role != Role::Rule || self.all_comments.iter().any(inside) {
            return true;
        }
        let rank = |entry: &&Entry| rule::KEYS.iter().position(|key| *key == entry.key);
        if entries.is_sorted_by_key(rank) {
            return true;
        }
        entries.sort_by_key(|entry| rank(entry).unwrap_or(usize::MAX));
        false
    }

    fn items(&mut self, items: &[Node], place: Place, mut begun: bool) {
        for (index, item) in items.iter().enumerate() {
            let limit = items
                .get(index + 1)
                .map_or(place.limit, |next| next.range.start);
            if !begun {
                self.before(self.start(item), place.indent, index == 0);
                self.indent(place.indent);
            }
            begun = false;
            self.out.push('-');
            let place = Place {
                limit,
                role: place.role.of_items(),
                ..place
            };
            let is_open = self.is_block(item, place);
            if is_open {
                self.out.push(' ');
                let indent = place.indent + STEP;
                self.before_on_this_line(item.range.start);
                self.block(item, Place { indent, ..place }, true);
            } else {
                self.value(item, item.range.start, place);
            }
        }
        // The dash of the first item is what comments are aligned with.
        let first = items.first().map_or(0, |first| first.range.start);
        let before = self.text.get(..first).unwrap_or("");
        let dash = before.rfind('-').map_or(0, |dash| self.column(dash));
        self.tail(dash, place);
    }

    /// Where a value begins, with the `|` or `>` of a block.
    fn start(&self, node: &Node) -> usize {
        match node.scalar() {
            Some(scalar) if scalar.style == Style::Block => {
                block_scalar::start(self.text, self.all_comments, node)
            }
            _ => node.range.start,
        }
    }

    /// Whether a value takes lines of its own as a list or a map.
    fn is_block(&self, node: &Node, place: Place) -> bool {
        matches!(node.kind, Kind::Mapping(_) | Kind::Sequence(_))
            && self.inline(node, place).is_none()
    }

    /// What stands after a key or a dash.
    fn value(&mut self, node: &Node, after: usize, place: Place) {
        if let Some(line) = self.inline(node, place) {
            if !line.is_empty() {
                self.out.push(' ');
                self.out.push_str(&line);
            }
            return self.end_line(node.range.end.max(after));
        }
        match &node.kind {
            Kind::Scalar(scalar) if scalar.style == Style::Block => {
                self.block_scalar(node, scalar, place);
            }
            Kind::Scalar(_) | Kind::Refused => self.folded(node, place),
            Kind::Mapping(_) | Kind::Sequence(_) => {
                self.end_line(after);
                let indent = place.indent + STEP;
                self.block(node, Place { indent, ..place }, false);
            }
        }
    }

    /// A value that fits behind what stands on the line already.
    fn inline(&self, node: &Node, place: Place) -> Option<String> {
        let line_start = self.out.rfind('\n').map_or(0, |newline| newline + 1);
        let width = self.out.len() - line_start;
        match &node.kind {
            Kind::Scalar(scalar) => self.scalar(node, scalar, place.role, false),
            Kind::Mapping(entries) if entries.is_empty() => Some("{}".to_owned()),
            Kind::Sequence(items) if items.is_empty() => Some("[]".to_owned()),
            Kind::Mapping(_) | Kind::Sequence(_) => {
                let line = self.flow(node, place.role)?;
                (width + 1 + line.chars().count() <= MAX_WIDTH).then_some(line)
            }
            Kind::Refused => None,
        }
    }

    /// A `{..}` or `[..]` that was one before, without comments in it.
    fn flow(&self, node: &Node, role: Role) -> Option<String> {
        let inside = |comment: &Comment| node.range.contains(&comment.offset);
        let opening = self.text.get(node.range.start..)?.chars().next()?;
        match &node.kind {
            Kind::Scalar(scalar) => self.scalar(node, scalar, role, true),
            Kind::Mapping(entries) if entries.is_empty() => Some("{}".to_owned()),
            Kind::Sequence(items) if items.is_empty() => Some("[]".to_owned()),
            _ if !matches!(opening, '[' | '{') || self.all_comments.iter().any(inside) => None,
            Kind::Mapping(entries) => {
                let parts: Option<Vec<String>> =
                    entries.iter().map(|entry| self.pair(entry, role)).collect();
                Some(format!("{{ {} }}", parts?.join(", ")))
            }
            Kind::Sequence(items) => {
                let parts: Option<Vec<String>> = items
                    .iter()
                    .map(|item| self.flow(item, role.of_items()))
                    .collect();
                Some(format!("[{}]", parts?.join(", ")))
            }
            Kind::Refused => None,
        }
    }

    fn pair(&self, entry: &Entry, role: Role) -> Option<String> {
        let key = self.text.get(entry.key_range.clone())?;
        let value = self.flow(&entry.value, role.under(&entry.key))?;
        Some(format!("{key}: {value}").trim_end_matches(' ').to_owned())
    }

    fn scalar(&self, node: &Node, scalar: &Scalar, role: Role, in_flow: bool) -> Option<String> {
        let source = self.text.get(node.range.clone())?;
        one_line(scalar, source, role, in_flow)
    }

    /// A plain or quoted text on several lines: their breaks are spaces, and their indentation means nothing.
    fn folded(&mut self, node: &Node, place: Place) {
        let source = self.text.get(node.range.clone()).unwrap_or("");
        let blank = [' ', '\t'];
        for (index, line) in source.split('\n').enumerate() {
            // A space at the end belongs to the text if it is escaped.
            let is_escaped = line.trim_end_matches(blank).ends_with('\\');
            let line = match is_escaped {
                true => line.trim_start_matches(blank),
                false => line.trim_matches(blank),
            };
            match (index, line) {
                (0, line) => self.out.push_str(&format!(" {line}")),
                (_, "") => self.out.push('\n'),
                (_, line) => {
                    self.out.push('\n');
                    self.indent(place.indent + STEP);
                    self.out.push_str(line);
                }
            }
        }
        self.end_line(node.range.end);
    }

    /// A text after `|` or `>`, all lines moved alike.
    fn block_scalar(&mut self, node: &Node, scalar: &Scalar, place: Place) {
        let Some(block) = BlockScalar::new(self.text, self.all_comments, node, scalar) else {
            return;
        };
        self.out.push(' ');
        self.out.push_str(&block.header(STEP));
        self.end_line(block.header_end);
        for line in block.lines {
            if !line.is_empty() {
                self.indent(place.indent + STEP);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        if block.keeps_its_end {
            self.kept_end = self.out.len();
        }
    }

    /// Comments before a place of the file, each on a line of its own, and an empty line where the file has some. Nothing that is
    /// first has an empty line above it.
    fn before(&mut self, offset: usize, indent: usize, mut is_first: bool) {
        while let Some(comment) = self.comments.next_if(|comment| comment.offset < offset) {
            self.comment(comment, indent, is_first);
            is_first = false;
        }
        self.blank(offset, is_first);
    }

    fn comment(&mut self, comment: &Comment, indent: usize, is_first: bool) {
        self.blank(comment.offset, is_first);
        self.indent(indent);
        self.out.push_str(&comment.text);
        self.out.push('\n');
    }

    /// Comments between a dash and what it is of would end the line: they go before it.
    fn before_on_this_line(&mut self, offset: usize) {
        let line_start = self.out.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.out.split_off(line_start);
        while let Some(comment) = self.comments.next_if(|comment| comment.offset < offset) {
            self.comment(comment, indentation(&line), true);
        }
        self.out.push_str(&line);
    }

    /// Comments at the end of a collection that stand as deep as its elements.
    fn tail(&mut self, column: usize, place: Place) {
        while let Some(comment) = self.comments.peek().copied() {
            if comment.offset >= place.limit
                || self.column(comment.offset) < column
                || !comment.alone
            {
                return;
            }
            self.comments.next();
            self.comment(comment, place.indent, false);
        }
    }

    /// The end of a line, with the comment that stands there.
    fn end_line(&mut self, end: usize) {
        let is_here = |comment: &&Comment| {
            let between = self.text.get(end..comment.offset);
            let is_rest = |between: &str| {
                between
                    .trim_matches([' ', '\t', ':', ',', ']', '}'])
                    .is_empty()
            };
            !comment.alone && between.is_some_and(is_rest)
        };
        if let Some(comment) = self.comments.next_if(is_here) {
            self.out.push(' ');
            self.out.push_str(&comment.text);
        }
        self.out.push('\n');
    }

    /// One empty line, if the file has one or more here.
    fn blank(&mut self, offset: usize, is_first: bool) {
        let has_one = self.out.len() == self.kept_end || self.out.ends_with("\n\n");
        if !is_first && !has_one && self.is_blank_above(offset) {
            self.out.push('\n');
        }
    }

    fn is_blank_above(&self, offset: usize) -> bool {
        let before = self.text.get(..offset).unwrap_or("");
        let mut lines = before.rsplit('\n').skip(1);
        let is_blank = |line: &str| line.trim_matches([' ', '\t']).is_empty();
        lines.next().is_some_and(is_blank)
    }

    fn column(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or("");
        offset - before.rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn indent(&mut self, columns: usize) {
        self.out.extend(core::iter::repeat_n(' ', columns));
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
