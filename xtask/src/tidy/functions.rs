//! Function length, as a ratchet: the number below may only fall.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::workspace;

/// Lines of the longest function, from `fn` to its closing brace.
const LONGEST: usize = 60;

/// Of the longest in tests, which are tables of cases more often than not.
const LONGEST_IN_TESTS: usize = 150;

pub(super) fn faults(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| is_written_by_hand(file)) {
        let source = fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("read {}", file.display()))?;
        let tests_begin_at = tests_begin_at(file, &source);
        let most = |function: &Function| {
            if function.line < tests_begin_at {
                LONGEST
            } else {
                LONGEST_IN_TESTS
            }
        };
        faults.extend(
            functions(&source)
                .into_iter()
                .filter(|function| function.lines > most(function))
                .map(|function| {
                    format!(
                        "{}:{}: `{}` has {} lines, and {} is the most: make it a list of named steps",
                        file.display(),
                        function.line,
                        function.name,
                        function.lines,
                        most(&function)
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

/// The line from which on a file is tests: the first in a folder or file of tests, else that of its test module.
fn tests_begin_at(file: &Path, source: &str) -> usize {
    let is_tests = |part: &OsStr| part == "tests" || part == "tests.rs";
    if file.iter().any(is_tests) {
        return 1;
    }
    let lines: Vec<&str> = source.lines().collect();
    let is_module = |index: &usize| {
        let is_attribute = |line: &&&str| line.starts_with(['#', ' ', ')']);
        let item = lines.iter().skip(*index).find(|line| !is_attribute(line));
        item.is_some_and(|item| item.split(' ').any(|word| word == "mod") && item.ends_with('{'))
    };
    let marks = (0..lines.len()).filter(|index| lines.get(*index) == Some(&"#[cfg(test)]"));
    marks
        .into_iter()
        .find(is_module)
        .map_or(usize::MAX, |index| index + 1)
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
        .filter(|(_, line, _)| !is_one_line(line))
        .filter_map(|(index, line, name)| {
            let mut rest = lines.iter().enumerate().skip(index);
            let (end, _) = rest.find(|(_, other)| ends(other, indentation(line)))?;
            let is_declaration = lines.get(end)?.ends_with(';');
            (!is_declaration).then(|| Function {
                name: name.to_owned(),
                line: index + 1,
                lines: end - index + 1,
            })
        })
        .collect()
}

/// A body ends with a brace; a declaration without one ends with the bracket of its parameters.
fn ends(line: &str, indentation: &str) -> bool {
    line.strip_prefix(indentation)
        .is_some_and(|rest| rest == "}" || (rest.starts_with(')') && rest.ends_with(';')))
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
    fn only_a_module_of_tests_begins_the_tests() {
        let cases = [
            ("#[cfg(test)]\nuse a::B;\n\nfn c() {}\n", usize::MAX),
            ("#[cfg(test)]\nmod tests;\n\nfn c() {}\n", usize::MAX),
            (
                "#[cfg(test)]\nfn c() {\n    mod d {\n    }\n}\n",
                usize::MAX,
            ),
            (
                "#[cfg(test)]\nuse a::B;\n\n#[cfg(test)]\nmod tests {\n}\n",
                4,
            ),
            (
                "fn c() {}\n\n#[cfg(test)]\n#[expect(\n    x,\n    reason = \"y\"\n)]\npub(crate) mod tests {\n}\n",
                3,
            ),
        ];
        for (source, line) in cases {
            assert_eq!(
                tests_begin_at(Path::new("src/a.rs"), source),
                line,
                "{source}"
            );
        }
        assert_eq!(tests_begin_at(Path::new("tests/a.rs"), "fn c() {}\n"), 1);
    }

    #[test]
    fn a_function_is_measured_from_its_head_to_its_brace() {
        let source = "impl A {\n    pub(crate) fn one<'a>(\n        b: u8,\n    ) -> u8 {\n        if b > 1 {\n            2\n        }\n    }\n}\n\nconst fn two() {}\n\nasync fn three() {\n    x\n}\n\nunsafe extern \"C\" {\n    fn four(\n        x: u8,\n    ) -> u8;\n}\n";
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
