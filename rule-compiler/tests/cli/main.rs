//! The command line of `rulec`, run as a program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod attributes;
mod build;
mod check;
mod cost;
mod counters;
mod diff;
mod diff_gate;
mod diff_order;
mod eval;
mod explain;
mod fmt;
mod init;
mod inspect;
mod keygen;
#[cfg(feature = "wasm")]
mod module;
mod output;
mod pipeline;
mod readme;
mod replay;
mod report;
mod reserved;
mod rollback;
mod rulec;
mod schema;
mod shell;
mod sign;
mod test;
mod verify;
