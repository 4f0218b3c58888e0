//! Compiles human-written rules into signed riskgate bundles.
//!
//! The way of a ruleset: [`front`] reads and checks a folder and yields [`ir`], [`lower`] turns that into the sections of
//! a bundle, [`mod@build`] signs and writes it. Each stage only knows the one before.
//!
//! ```no_run
//! use riskgate_compiler::build::{BuildOptions, build};
//! use riskgate_compiler::{front, keys};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sources = front::read_ruleset("rules/storefront".as_ref())?;
//! let analysis = front::analyse(&sources);
//! let ruleset = analysis.ruleset.ok_or("see the diagnostics")?;
//! let key = keys::read_signing_key("signer.pem".as_ref())?;
//! let options = BuildOptions { revision: 1, issued_at_s: 1_795_000_000, audience: None };
//! std::fs::write("storefront.bundle", build(&ruleset, &options, &key)?)?;
//! # Ok(())
//! # }
//! ```
//!
//! It never evaluates a rule itself: `rulec eval` reads the built bundle through the same engine as the filter.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "only the command prints"
)]

pub mod automaton;
pub mod build;
pub mod cost;
pub mod diagnostic;
pub mod diff;
pub mod explain;
pub mod front;
pub mod ir;
pub mod keys;
pub mod logic;
pub mod lower;
pub mod replay;
pub mod report;
pub mod request_json;
pub mod rollback;
pub mod schema;
pub mod session;
pub mod signing;
pub mod testing;
pub mod verdict_json;
mod words;
