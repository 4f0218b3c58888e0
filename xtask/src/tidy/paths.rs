//! Paths that the documents name must exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::workspace;

pub(super) fn faults(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
    {
        let text = fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("read {}", file.display()))?;
        faults.extend(stale(&text, file, files).into_iter().map(|(line, path)| {
            format!(
                "{}:{line}: there is no `{path}`: correct the path or the text",
                file.display()
            )
        }));
    }
    Ok(faults)
}

/// Line and path of everything that is named in `text` and is not there.
fn stale(text: &str, document: &Path, files: &[PathBuf]) -> Vec<(usize, String)> {
    let folder = document.parent().unwrap_or(Path::new(""));
    let exists = |path: &Path| files.iter().any(|file| file.starts_with(path));
    let mut stale = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = code_spans(line).filter(|path| {
            looks_like_ours(path, files) && !exists(Path::new(path.trim_end_matches('/')))
        });
        let links = link_targets(line).filter(|path| !exists(&resolve(folder, path)));
        stale.extend(code.chain(links).map(|path| (index + 1, path.to_owned())));
    }
    stale
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The target of each `[text](target)` inside the repository.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|target| {
            !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
        })
}

/// Begins with one of the repository's folders, and is a plain path: no placeholder, pattern or command.
fn looks_like_ours(span: &str, files: &[PathBuf]) -> bool {
    let is_plain = span
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    let folder = span.split_once('/').map(|(folder, _)| folder);
    is_plain
        && folder.is_some_and(|folder| {
            files
                .iter()
                .any(|file| file.iter().next().is_some_and(|first| first == folder))
        })
}

/// `folder`/`path` without its `..`.
fn resolve(folder: &Path, path: &str) -> PathBuf {
    let mut resolved = folder.to_owned();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                resolved.pop();
            }
            name => resolved.push(name),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_must_exist() {
        let files = [
            PathBuf::from("docs/a.md"),
            PathBuf::from("engine/src/lib.rs"),
        ];
        check("see `engine/src/lib.rs` and [a](a.md#top)", &files, &[]);
        check(
            "see `engine/src/` and [up](../engine/src/lib.rs)",
            &files,
            &[],
        );
        check("see `engine/gone.rs`", &files, &["engine/gone.rs"]);
        check(
            "see [gone](b.md) and [web](https://example.com/b.md)",
            &files,
            &["b.md"],
        );
        check(
            "`lists/x.txt`, `engine/<name>.rs` and `docs/*.md` are no paths of ours",
            &files,
            &[],
        );
    }

    fn check(text: &str, files: &[PathBuf], expected: &[&str]) {
        let found: Vec<String> = stale(text, Path::new("docs/a.md"), files)
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}
