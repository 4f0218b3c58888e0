//! Counts in a fixed amount of memory, against counts that forget nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod blocks;
mod clock;
mod exchange;
mod floods;
mod model;
mod one_table;
