//! The comments of a YAML file.

use core::ops::Range;

use crate::front::yaml::{Kind, Node};

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comment {
    /// With its `#`, without white space at its end.
    pub(super) text: String,
    /// Where the `#` is.
    pub(super) offset: usize,
    /// Whether nothing stands before it on its line.
    pub(super) alone: bool,
}

/// All comments, in order: whatever begins with `#` between the texts of a tree.
pub(super) fn comments(text: &str, root: Option<&Node>) -> Vec<Comment> {
    let mut leaves = Vec::new();
    if let Some(root) = root {
        collect(root, &mut leaves);
    }
    let mut found = Vec::new();
    let mut at = 0;
    for leaf in leaves.iter().chain([&(text.len()..text.len())]) {
        between(text, at..leaf.start, &mut found);
        at = leaf.end.max(at);
    }
    found
}

/// The places of all keys and scalars.
fn collect(node: &Node, leaves: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Scalar(_) | Kind::Refused => leaves.push(node.range.clone()),
        Kind::Sequence(items) => items.iter().for_each(|item| collect(item, leaves)),
        Kind::Mapping(entries) => {
            for entry in entries {
                leaves.push(entry.key_range.clone());
                collect(&entry.value, leaves);
            }
        }
    }
}

fn between(text: &str, gap: Range<usize>, found: &mut Vec<Comment>) {
    let mut at = gap.start;
    while let Some(hash) = text.get(at..gap.end).and_then(|rest| rest.find('#')) {
        let offset = at + hash;
        let rest = text.get(offset..).unwrap_or("");
        let length = rest.find('\n').unwrap_or(rest.len());
        let before = text.get(..offset).unwrap_or("");
        let line = before
            .rfind('\n')
            .map_or(before, |newline| before.get(newline + 1..).unwrap_or(""));
        found.push(Comment {
            text: rest.get(..length).unwrap_or("").trim_end().to_owned(),
            offset,
            alone: line.trim().is_empty(),
        });
        at = offset + length;
    }
}
