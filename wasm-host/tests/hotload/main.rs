//! The built filter as a proxy runs it, with a main thread, two workers and a push service: bundles come to all of them,
//! whatever fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod bundles;
#[path = "../filter/mod.rs"]
#[allow(dead_code, reason = "the other test binaries use the rest")]
mod filter;
mod fleet;
mod neighbours;
mod one_stream;
mod pusher;
mod scarcity;
mod schedule;
mod traps;
