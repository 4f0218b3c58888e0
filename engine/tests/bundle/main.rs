//! What a bundle file must be before it may decide anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod admission;
mod assembly;
mod canaries;
mod counted;
mod counters;
mod decisions;
mod fixture;
mod layout;
mod limits;
mod malformed;
mod tamper;
mod trust;
