//! What the tests share: signed bundles, a clock that stands still, a pusher on free ports and a filter's end of a stream.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod bundles;
pub(crate) mod service;
pub(crate) mod subscriber;

/// The time at which all tests happen; Unix time in seconds.
pub(crate) const NOW_S: u64 = 1_795_000_000;
