//! What commands share: reading whole files, writing them atomically, and times on the command line.

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use riskgate_engine::bundle::MAX_BUNDLE_LEN;

use crate::failure::Failure;

/// Reads a bundle; one over the format's limit is not read to its end.
pub(crate) fn read_bundle(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = MAX_BUNDLE_LEN as u64 + 1;
        std::fs::File::open(path)?
            .take(limit)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| {
        Failure::unable(format!("cannot read bundle `{}`: {error}", path.display()))
    })
}

/// Replaces `path` by a file of `bytes`, or leaves it as it was.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = temporary_beside(path);
    let write = || -> io::Result<()> {
        let mut file = std::fs::File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        // It may not exist; what matters is that it is gone.
        let _ = std::fs::remove_file(&temporary);
        Failure::unable(format!("cannot write `{}`: {error}", path.display()))
    })
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Prints a line; a reader that went away ends the command quietly, as it does for other tools.
pub(crate) fn print_line(out: &mut impl Write, line: &str) -> Result<(), Failure> {
    writeln!(out, "{line}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::findings(),
        _ => Failure::unable(format!("cannot write to standard output: {error}")),
    })
}

/// Now, Unix time.
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// A time as a person gives it: RFC 3339, or Unix seconds.
pub(crate) fn parse_time_s(text: &str, what: &str) -> Result<u64, Failure> {
    let seconds = text.parse::<i64>().ok().or_else(|| {
        let time = text.parse::<jiff::Timestamp>().ok()?;
        Some(time.as_second())
    });
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(|| {
        Failure::unable(format!(
            "{what} `{text}` is not a time; write 2026-11-23T10:00:00Z or Unix seconds from 0 on"
        ))
    })
}

/// A Unix time for people.
pub(crate) fn describe_time(time_s: u64) -> String {
    let time = i64::try_from(time_s)
        .ok()
        .and_then(|time_s| jiff::Timestamp::from_second(time_s).ok());
    time.map_or_else(|| format!("Unix time {time_s}"), |time| time.to_string())
}
