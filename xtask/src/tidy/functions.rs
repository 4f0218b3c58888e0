//! Function length, as a ratchet: the number below may only fall.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::workspace;

/// Lines of the longest function, from `fn` to its closing brace.
const LONGEST: usize = 70;

pub(super) fn faults(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| is_written_by_hand(file)) {
        let source = fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("read {}", file.display()))?;
        faults.extend(
            functions(&source)
                .into_iter()
                .filter(|function| function.lines > LONGEST)
                .map(|function| {
                    format!(
                        "{}:{}: `{}` has {} lines, and {LONGEST} is the most: make it a list of named steps",
                        file.display(),
                        function.line,
                        function.name,
                        function.lines
                    )
                }),
        );
    }
    Ok(faults)
}

fn is_written_by_hand(file: &Path) -> bool {
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let is_generated = file
        .components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with("generated"));
    is_rust && !is_generated
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The source is formatted (a check of its own), so a function ends at the next brace that stands as deep as its head.
fn functions(source: &str) -> Vec<Function> {
    let lines: Vec<&str> = source.lines().collect();
    let heads = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Some((index, line, name(line)?)));
    heads
        .filter_map(|(index, line, name)| {
            let closing = format!("{}}}", indentation(line));
            let rest = lines.iter().skip(index);
            let lines = 1 + rest.take_while(|line| **line != closing).count();
            (!is_one_line(line)).then(|| Function {
                name: name.to_owned(),
                line: index + 1,
                lines,
            })
        })
        .collect()
}

fn is_one_line(head: &str) -> bool {
    head.ends_with(';') || head.ends_with('}')
}

/// The name, when a function begins on this line.
fn name(line: &str) -> Option<&str> {
    let mut words = line.trim_start().split(' ');
    let is_qualifier = |word: &&str| {
        word.starts_with("pub")
            || matches!(
                *word,
                "const" | "async" | "unsafe" | "extern" | "\"C\"" | "in"
            )
    };
    let keyword = words.by_ref().find(|word| !is_qualifier(word))?;
    let name = words.next().filter(|_| keyword == "fn")?;
    name.split(['(', '<']).next()
}

fn indentation(line: &str) -> &str {
    line.split_at_checked(line.len() - line.trim_start().len())
        .map_or("", |(indentation, _)| indentation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_measured_from_its_head_to_its_brace() {
        let source = "impl A {\n    pub(crate) fn one<'a>(\n        b: u8,\n    ) -> u8 {\n        if b > 1 {\n            2\n        }\n    }\n}\n\nconst fn two() {}\n\nasync fn three() {\n    x\n}\n";
        let found: Vec<(String, usize, usize)> = functions(source)
            .into_iter()
            .map(|function| (function.name, function.line, function.lines))
            .collect();
        assert_eq!(
            found,
            [("one".to_owned(), 2, 7), ("three".to_owned(), 13, 3)]
        );
    }
}
