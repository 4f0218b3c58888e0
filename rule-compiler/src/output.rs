//! What commands share: reading bundles, and printing.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::Path;

use riskgate_engine::bundle::MAX_BUNDLE_LEN;

use crate::failure::Failure;

/// Reads a bundle; one over the format's limit is not read to its end.
pub(crate) fn read_bundle(path: &Path) -> Result<Vec<u8>, Failure> {
    read_bytes(path, "bundle", MAX_BUNDLE_LEN)
}

/// Reads a file of at most so many bytes, and one byte of a longer one; `what` is in it.
pub(crate) fn read_bytes(path: &Path, what: &str, len_max: usize) -> Result<Vec<u8>, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(len_max as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| unreadable(path, what, &error))
}

/// A file that cannot be read; `what` should be in it.
fn unreadable(path: &Path, what: &str, error: &io::Error) -> Failure {
    let remedy = match (error.kind(), what) {
        (io::ErrorKind::IsADirectory, "bundle") => {
            "`rulec build` makes a bundle of a ruleset's folder"
        }
        (io::ErrorKind::IsADirectory, _) => "give a file, not a folder",
        (io::ErrorKind::InvalidData, _) => "save it as UTF-8",
        _ => "give a file that this user can read",
    };
    Failure::unable(format!(
        "cannot read {what} `{}`: {error}; {remedy}",
        path.display()
    ))
}

/// Reads a text, from standard input for `-`; `what` is in it.
pub(crate) fn read_text(path: &Path, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| unreadable(path, what, &error))?;
    Ok(text)
}

/// Writes to standard error. Where that fails there is nobody left to tell, and the exit code still says how it went.
pub(crate) fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether what is told has colours.
pub(crate) fn is_colourful() -> bool {
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    has_colours(
        io::stderr().is_terminal(),
        &variable("NO_COLOR"),
        &variable("TERM"),
    )
}

/// On a terminal that has them, unless its user wants none; an empty `NO_COLOR` says nothing.
fn has_colours(is_terminal: bool, no_color: &OsStr, term: &OsStr) -> bool {
    is_terminal && no_color.is_empty() && term != "dumb"
}

/// Prints a line.
pub(crate) fn print_line(out: &mut impl Write, line: &str) -> Result<(), Failure> {
    writeln!(out, "{line}").or_else(|error| Failure::output(&error))
}

/// Prints what is still in a buffer.
pub(crate) fn flush(out: &mut impl Write) -> Result<(), Failure> {
    out.flush().or_else(|error| Failure::output(&error))
}

#[cfg(test)]
mod tests {
    use super::has_colours;

    #[test]
    fn colours_are_for_terminals_whose_user_wants_them() {
        let cases = [
            (true, "", "xterm-256color", true),
            (true, "", "", true),
            (true, "1", "xterm-256color", false),
            (true, "0", "xterm-256color", false),
            (true, "", "dumb", false),
            (false, "", "xterm-256color", false),
        ];
        for (is_terminal, no_color, term, expected) in cases {
            let found = has_colours(is_terminal, no_color.as_ref(), term.as_ref());
            assert_eq!(found, expected, "{is_terminal} {no_color:?} {term:?}");
        }
    }
}
