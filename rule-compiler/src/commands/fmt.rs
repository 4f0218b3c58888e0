//! `rulec fmt`: bring the YAML of rulesets into its usual form.

use std::fs;
use std::path::{Path, PathBuf};

use riskgate_compiler::front::format::{FileKind, FormatError, format};
use riskgate_compiler::report::counted;

use crate::args::FmtArgs;
use crate::failure::Failure;
use crate::output::{flush, print_line, tell};
use crate::replace::replace;

const MANIFEST: &str = "ruleset.yaml";
const RULES_SUFFIX: &str = ".rules.yaml";
const TESTS_SUFFIX: &str = ".test.yaml";

pub(crate) fn run(args: &FmtArgs) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        files.extend(files_of(path)?);
    }
    let (mut changed, mut refused) = (Vec::new(), 0);
    for path in &files {
        let text = read(path)?;
        match format(&path.to_string_lossy(), &text, kind(path)) {
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                if !args.check {
                    replace(path, formatted.as_bytes())?;
                }
                changed.push((path, first_difference(&text, &formatted)));
            }
            Err(error) => {
                refused += 1;
                tell(&complaint(path, &error));
            }
        }
    }
    report(&changed, args.check)?;
    let count = counted(files.len(), "file");
    let verb = if args.check { "to format" } else { "formatted" };
    tell(&format!("{} of {count} {verb}\n", changed.len()));
    match refused > 0 || (args.check && !changed.is_empty()) {
        true => Err(Failure::findings()),
        false => Ok(()),
    }
}

/// The files that changed or would, a line each; a check shows where they begin to differ.
fn report(changed: &[(&PathBuf, Difference)], is_check: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for (path, difference) in changed {
        print_line(&mut out, &path.display().to_string())?;
        if is_check {
            let Difference {
                line,
                before,
                after,
            } = difference;
            print_line(
                &mut out,
                &format!("  line {line}\n  - {before}\n  + {after}"),
            )?;
        }
    }
    flush(&mut out)
}

fn complaint(path: &Path, error: &FormatError) -> String {
    match error {
        FormatError::Syntax(report) => report.clone(),
        FormatError::Unsure => format!("error: {} is left as it is: {error}\n", path.display()),
    }
}

/// The files of a ruleset folder that are read, or the file itself.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unable = |error| Failure::unable(format!("cannot read `{}`: {error}", path.display()));
    let metadata = fs::metadata(path).map_err(unable)?;
    if metadata.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !metadata.is_dir() {
        return Err(Failure::unable(format!(
            "`{}` is neither a file nor a folder; give a ruleset folder or a file",
            path.display()
        )));
    }
    let mut files = Vec::new();
    for folder in [path.to_owned(), path.join("tests")] {
        let is_tests = folder != path;
        if is_tests && !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(unable)? {
            let file = entry.map_err(unable)?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let is_wanted = match is_tests {
                true => name.ends_with(TESTS_SUFFIX),
                false => name == MANIFEST || name.ends_with(RULES_SUFFIX),
            };
            if is_wanted && !name.starts_with('.') && file.is_file() {
                files.push(file);
            }
        }
    }
    if files.is_empty() {
        let message = format!(
            "{} has no {MANIFEST} and no rule files; give a ruleset folder or a file",
            path.display()
        );
        return Err(Failure::unable(message));
    }
    files.sort();
    Ok(files)
}

fn kind(path: &Path) -> FileKind {
    match path.to_string_lossy().ends_with(TESTS_SUFFIX) {
        true => FileKind::Tests,
        false => FileKind::Rules,
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path)
        .map_err(|error| Failure::unable(format!("cannot read `{}`: {error}", path.display())))?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::unable(format!(
            "`{}` is no text in UTF-8; give a ruleset folder, or a file of one in UTF-8",
            path.display()
        ))
    })
}

/// The first line that differs.
struct Difference {
    line: usize,
    before: String,
    after: String,
}

fn first_difference(before: &str, after: &str) -> Difference {
    let same = before
        .lines()
        .zip(after.lines())
        .take_while(|(before, after)| before == after);
    let line = same.count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("").to_owned();
    Difference {
        line: line + 1,
        before: at(before),
        after: at(after),
    }
}
