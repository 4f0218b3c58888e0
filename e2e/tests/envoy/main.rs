//! Everything here runs on a real Envoy with two workers, and where rules are pushed, with a real pusher.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod attributes;
mod bodies;
mod canary;
mod claims;
mod counters;
mod custom;
mod delta;
mod ecds;
mod evasion;
mod expiry;
mod forged;
mod hostile;
mod lifecycle;
mod listeners;
mod load;
mod neighbours;
mod one_stream;
mod outages;
mod reconfigure;
mod refuse;
mod replay;
mod requests;
mod storefront;
mod swap;
mod swaps;
mod traps;

/// The ruleset of the tests that bring their own rules.
const RULESET: &str = "shop";

/// Denies one path, so that it shows whether this ruleset serves.
const NO_ADMIN: &str = r#"
rules:
  - id: no-admin
    when: request.url_path.startsWith("/admin")
    then: deny
"#;

/// The next revision of it: another path, another status.
const NO_LOGIN: &str = r#"
rules:
  - id: no-login
    when: request.url_path.startsWith("/login")
    then: { deny: { status: 429 } }
"#;
