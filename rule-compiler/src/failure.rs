//! How a command ends when it does not end well.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::output::tell;

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It did its work and found something: exit code 1. What was found is printed already, or is this sentence.
    Findings(Option<String>),
    /// It could not do its work: exit code 2.
    Unable(String),
}

impl Failure {
    /// Findings that were printed already.
    pub(crate) fn findings() -> Failure {
        Failure::Findings(None)
    }

    /// A finding that is told in one sentence.
    pub(crate) fn finding(message: impl Display) -> Failure {
        Failure::Findings(Some(message.to_string()))
    }

    /// Usage or I/O.
    pub(crate) fn unable(message: impl Display) -> Failure {
        Failure::Unable(message.to_string())
    }

    /// Standard output takes no more. A reader that went away has seen what it wanted, and changes nothing of how the command
    /// ends.
    pub(crate) fn output(error: &io::Error) -> Result<(), Failure> {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(Failure::unable(format!(
                "cannot write to standard output: {error}"
            ))),
        }
    }

    pub(crate) fn report(&self) {
        if let Failure::Findings(Some(message)) | Failure::Unable(message) = self {
            tell(&format!("error: {message}\n"));
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Findings(_) => ExitCode::from(1),
            Failure::Unable(_) => ExitCode::from(2),
        }
    }
}
