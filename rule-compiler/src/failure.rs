//! How a command ends when it does not end well.

use std::fmt::Display;
use std::process::ExitCode;

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

    pub(crate) fn report(&self) {
        match self {
            Failure::Findings(None) => {}
            Failure::Findings(Some(message)) | Failure::Unable(message) => {
                eprintln!("error: {message}");
            }
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Findings(_) => ExitCode::from(1),
            Failure::Unable(_) => ExitCode::from(2),
        }
    }
}
