//! Files of list data: where they may be, and what is in them.

use core::ops::Range;
use std::path::{Component, Path};

use super::yaml::{self, Entry, Kind, Node};
use crate::diagnostic::{Diagnostics, SourceMap};

/// Whether a path is relative and stays inside of the ruleset folder.
pub(crate) fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path)
            .components()
            .all(|component| matches!(component, Component::Normal(_)))
}

/// The paths inside the folder that the lists of a manifest name. What is wrong with it is for the analysis to say.
pub(crate) fn paths(manifest: &str) -> Vec<String> {
    let file = SourceMap::default().add("", "");
    let root = yaml::parse(file, manifest, &mut Diagnostics::default());
    let lists = root.as_ref().and_then(|root| value(root, "lists"));
    let mut paths: Vec<String> = lists
        .map_or(&[][..], entries)
        .iter()
        .filter_map(|entry| path_of(&entry.value))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

fn path_of(list: &Node) -> Option<String> {
    match &value(list, "file")?.kind {
        Kind::Scalar(scalar) if is_inside(&scalar.text) => Some(scalar.text.clone()),
        _ => None,
    }
}

fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node)
        .iter()
        .find(|entry| entry.key == key)
        .map(|entry| &entry.value)
}

fn entries(node: &Node) -> &[Entry] {
    match &node.kind {
        Kind::Mapping(entries) => entries,
        _ => &[],
    }
}

/// The values of a file with their places: one a line, without white space around and comments after them.
pub(crate) fn values(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let line_start = start;
        start += line.len();
        let content = line.get(..comment_start(line)).unwrap_or(line);
        let value = content.trim_matches(is_blank);
        let lead = content.len() - content.trim_start_matches(is_blank).len();
        (!value.is_empty()).then(|| (line_start + lead..line_start + lead + value.len(), value))
    })
}

/// `#` starts a comment at the start of a line and after white space.
fn comment_start(line: &str) -> usize {
    let mut after_blank = true;
    for (offset, character) in line.char_indices() {
        if character == '#' && after_blank {
            return offset;
        }
        after_blank = is_blank(character);
    }
    line.len()
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::{is_inside, paths, values};

    #[test]
    fn one_value_a_line() {
        let text = "# head\na\n\n  b # tail\nc#d\n\t#\r\ne f\r\nlast";
        let found: Vec<_> = values(text)
            .map(|(range, value)| (range.start, value))
            .collect();
        assert_eq!(
            found,
            [(7, "a"), (12, "b"), (21, "c#d"), (29, "e f"), (34, "last")]
        );
        for (range, value) in values(text) {
            assert_eq!(&text[range], value);
        }
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["a.txt", "lists/a.txt", "a/b/c"] {
            assert!(is_inside(path), "{path}");
        }
        for path in ["", "/etc/passwd", "../a", "a/../b", "./a", "a\\b", "a\0"] {
            assert!(!is_inside(path), "{path}");
        }
    }

    #[test]
    fn finds_the_files_of_a_manifest() {
        let manifest = "lists:\n  a: { file: x.txt }\n  b: { file: ../y.txt }\n  c: { file: x.txt }\n  d: [1]\n";
        assert_eq!(paths(manifest), ["x.txt"]);
        assert!(paths("lists: 3").is_empty());
        assert!(paths("[").is_empty());
    }
}
