//! Forged, altered and misused bundles at each of the three gates: `rulec verify`, a real pusher, and the filter as it is
//! shipped, which gets them in its configuration and by its stream. What docs/trust.md says of each attack is held here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod altered;
mod attack;
mod filter;
mod forge;
mod gates;
mod keys;
mod misused;
mod page;
mod rollback;
mod stream;
