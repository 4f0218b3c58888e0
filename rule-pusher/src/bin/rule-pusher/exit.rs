//! Exit statuses, and the one place that prints an error.

use std::{io, path::PathBuf, process::ExitCode};

use riskgate_pusher::{
    client::ClientError, ecds::TemplateError, keys::KeysError, server::ServerError,
    store::StoreError,
};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Templates(#[from] TemplateError),
    #[error("cannot read {path:?}: {error}", path = .path.display())]
    ReadBundle { path: PathBuf, error: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error("cannot start: {0}")]
    Start(io::Error),
}

/// 0 fine, 1 the pusher refused the bundle, 2 usage or I/O.
pub(crate) fn code(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {failure}");
    match failure {
        Failure::Client(ClientError::Refused(_)) => ExitCode::from(1),
        _ => ExitCode::from(2),
    }
}
