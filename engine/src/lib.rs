//! The riskgate engine: reads, verifies and evaluates bundles.
//!
//! A bundle is the compiled, signed form of a ruleset. This crate takes one from untrusted bytes to decisions in
//! three steps, each of which can only be reached through the one before:
//!
//! ```no_run
//! use riskgate_engine::admission::Admission;
//! use riskgate_engine::request::Request;
//! use riskgate_engine::ruleset::{Ruleset, Scratch};
//! use riskgate_engine::trust::TrustedKeys;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let (bytes, public_key) = (&[0_u8][..], [0_u8; 32]);
//! let trust = TrustedKeys::new(&[public_key], 1)?;
//! let admission = Admission {
//!     trust: &trust,
//!     ruleset: "storefront",
//!     audience: None,
//!     min_revision: 0,
//!     now_s: 1_795_000_000,
//!     mark: None,
//! };
//! let admitted = admission.admit(bytes)?; // signature, name, times, revision, hashes
//! let ruleset = Ruleset::load(&admitted)?; // every index
//! let mut scratch = Scratch::default();
//! let verdict = ruleset.decide(&Request { path: Some(b"/.env"), ..Request::default() }, &mut scratch);
//! println!("{}", verdict.action());
//! # Ok(())
//! # }
//! ```
//!
//! It never does I/O, reads no clock, writes no log and knows of no host: a wasm filter, a native module and a
//! command line are thin shells over it. It parses no rule text and no regular expression.
#![no_std]

extern crate alloc;

pub mod actions;
pub mod admission;
pub mod assembly;
pub mod atoms;
pub mod attributes;
pub mod body;
pub mod bundle;
pub mod canaries;
mod codec;
pub mod contents;
pub mod counters;
mod derive;
pub mod dfa;
mod evaluate;
pub mod exact;
mod fields;
#[cfg(test)]
mod fixture;
pub mod headers;
mod json;
pub mod lists;
pub mod literals;
mod names;
pub mod networks;
pub mod number;
mod pace;
pub mod pairs;
pub mod policy;
pub mod prefixes;
pub mod program;
pub mod ranks;
pub mod request;
pub mod response;
pub mod rules;
pub mod ruleset;
mod sections;
mod seen;
mod sources;
pub mod strings;
pub mod trace;
mod transform;
pub mod trust;
pub mod verdict;
