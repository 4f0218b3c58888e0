//! The language front end: from a ruleset folder to [`ir::Ruleset`], with diagnostics that point into its files.
//!
//! ```no_run
//! use riskgate_compiler::{diagnostic, front};
//!
//! let sources = front::read_ruleset("rules".as_ref())?;
//! let analysis = front::analyse(&sources);
//! eprint!("{}", diagnostic::render(&analysis.diagnostics, &analysis.sources, false));
//! # Ok::<(), front::ReadError>(())
//! ```
//!
//! Reading does the I/O and can fail; analysis is a pure function of what was read. It reports all that is wrong with
//! a ruleset in one go, and gives a ruleset only if nothing is: nothing here guesses what an author meant.

pub mod cidr;
pub mod pattern;
pub mod template;
pub mod time;

mod analysis;
mod canary;
mod cel;
mod check;
mod context;
mod counter;
mod custom;
mod duration;
mod environment;
mod fields;
mod folder;
pub mod format;
mod limits;
mod lint;
mod list;
mod list_file;
mod manifest;
mod name;
mod outcome;
mod reply;
mod rule;
mod sources;
mod suppress;
mod test_file;
mod text;
mod when;
mod yaml;

pub use analysis::{Analysis, analyse, analyse_at, atom_places};
pub(crate) use check::is_many_valued;
pub use rule::AtomPlace;
pub use sources::{ReadError, Sources, read_ruleset, read_ruleset_with, read_tests};
pub use test_file::{TestAnalysis, analyse_tests};
pub(crate) use text::{closest, did_you_mean, quoted};

#[cfg(doc)]
use crate::ir;
