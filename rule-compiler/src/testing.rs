//! Tests of a ruleset: what they are, and how they are run.
//!
//! [`front::analyse_tests`](crate::front::analyse_tests) reads them, [`run()`] asks the engine for the verdict of each
//! request under a clock of the test's own, and a [`Report`] says which expectations failed and why.

mod coverage;
mod human;
mod json;
mod junit;
mod model;
#[cfg(feature = "wasm")]
mod module;
mod report;
mod run;

pub use coverage::{Coverage, Gap};
pub use human::human;
pub use json::json;
pub use junit::junit;
pub use model::{Case, Check, Expectation, Key, Place, START_US, Step};
#[cfg(feature = "wasm")]
pub use module::InModule;
pub use report::{CaseReport, FailedStep, Mismatch, Report, Why};
pub use run::{Decider, Known, Native, run};
