//! A filter against a proxy that only remembers: what a request, a bundle and a stream bring about.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod backoff;
mod broken_host;
mod bundles;
mod clock;
mod counters;
mod counters_key;
mod counters_races;
mod counters_shared;
mod custom;
mod driver;
mod expiry;
mod one_stream;
mod peers;
mod peers_races;
mod proxy;
mod push;
mod requests;
mod rotation;
mod shared;
mod shared_faults;
mod shared_times;
mod staged;
mod vm;
