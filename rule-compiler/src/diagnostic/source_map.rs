//! The files that spans point into.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Which file of a [`SourceMap`]; in the order in which diagnostics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A file's text under the name that authors know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path inside the ruleset folder, with `/`.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
    /// Where each line but the first starts.
    line_starts: Vec<usize>,
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// The files of a ruleset that were read as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    /// What stands before their names when they are shown.
    folder: PathBuf,
}

impl SourceMap {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(saturate(self.files.len()));
        let text = text.into();
        let line_starts = text
            .match_indices('\n')
            .map(|(newline, _)| newline + 1)
            .collect();
        self.files.push(SourceFile {
            name: name.into(),
            text,
            line_starts,
        });
        id
    }

    /// Shows files as they are found from where the reader stands; without it, by their names inside the ruleset folder.
    pub fn seen_through(&mut self, folder: &Path) {
        let is_step = |part: &Component<'_>| *part != Component::CurDir;
        self.folder = folder.components().filter(is_step).collect();
    }

    /// The path of a file for its reader, with `/` between folders.
    pub fn path(&self, id: FileId) -> String {
        let name = self.get(id).map_or("", |file| &file.name);
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// The file, if it is one of this map.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    /// Line and column of a byte of a file; past its end, those of the end.
    pub fn position(&self, id: FileId, offset: usize) -> Position {
        self.get(id)
            .map_or(Position { line: 1, column: 1 }, |file| {
                file.position(offset)
            })
    }
}

impl SourceFile {
    /// The line that a byte is on, without its end.
    pub fn line_at(&self, offset: usize) -> &str {
        let offset = floor_char_boundary(&self.text, offset);
        let (before, after) = self.text.split_at_checked(offset).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = offset + after.find('\n').unwrap_or(after.len());
        self.text.get(start..end).unwrap_or("")
    }

    fn position(&self, offset: usize) -> Position {
        let offset = floor_char_boundary(&self.text, offset);
        let earlier = self.line_starts.partition_point(|&start| start <= offset);
        let start = earlier
            .checked_sub(1)
            .and_then(|last| self.line_starts.get(last))
            .copied()
            .unwrap_or(0);
        let column = self.text.get(start..offset).unwrap_or("").chars().count();
        Position {
            line: saturate(earlier + 1),
            column: saturate(column + 1),
        }
    }
}

/// The last character boundary at or before `offset`.
pub(crate) fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut boundary = offset.min(text.len());
    while !text.is_char_boundary(boundary) {
        boundary -= 1;
    }
    boundary
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Position, SourceMap};

    #[test]
    fn lines_and_columns_from_one() {
        let mut sources = SourceMap::default();
        let file = sources.add("a.yaml", "aé\n\nbc");
        let cases = [
            (0, 1, 1),
            (1, 1, 2),
            (2, 1, 2),
            (3, 1, 3),
            (4, 2, 1),
            (5, 3, 1),
            (6, 3, 2),
            (7, 3, 3),
            (99, 3, 3),
        ];
        for (offset, line, column) in cases {
            assert_eq!(
                sources.position(file, offset),
                Position { line, column },
                "{offset}"
            );
        }
    }
}
