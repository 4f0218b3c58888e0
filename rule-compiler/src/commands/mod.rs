//! One file a verb.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod cost;
pub(crate) mod diff;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod man;
pub(crate) mod replay;
pub(crate) mod rollback;
pub(crate) mod schema;
pub(crate) mod sign;
pub(crate) mod test;
pub(crate) mod verify;
