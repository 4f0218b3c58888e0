//! What is different between two bundles: rules, lists, counters and policy, and requests that are answered otherwise.

use std::collections::HashMap;

use riskgate_engine::bundle::{Bundle, SectionKind};
use riskgate_engine::ruleset::Ruleset;
use thiserror::Error;

use crate::build::{BuildError, LoadError, load_unverified, ruleset_in_memory};
use crate::ir;
use crate::lower::Provenance;

mod address;
mod order;
mod report;
mod resolve;
mod structure;
mod text;
mod witness;

pub use report::Report;

use resolve::Side;

/// Why bundles cannot be compared.
#[derive(Debug, Error)]
pub enum DiffError {
    /// A filter would not load it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its section `provenance` is not what compilers write.
    #[error("section `provenance`: {0}")]
    Provenance(#[from] serde_json::Error),
}

/// A bundle that was loaded, with what it says of where its rules come from.
#[derive(Debug)]
pub struct Loaded {
    ruleset: Ruleset,
    provenance: Option<Provenance>,
    /// The texts of automata, which bundles do not have.
    patterns: HashMap<Vec<u8>, String>,
    /// Whether it is a bundle: a ruleset that was compiled in memory has no revision.
    is_bundle: bool,
}

impl Loaded {
    /// Loads a bundle, whoever signed it and whenever it is valid.
    ///
    /// # Errors
    ///
    /// If a filter would refuse it for any other reason.
    pub fn read(bytes: &[u8]) -> Result<Loaded, DiffError> {
        let ruleset = load_unverified(bytes, None)?;
        let bundle = Bundle::parse(bytes).map_err(LoadError::from)?;
        let mut sections = bundle.sections().iter();
        let section = sections.find(|section| section.kind == SectionKind::Provenance);
        let provenance = section.and_then(|section| section.bytes);
        let provenance = provenance.map(serde_json::from_slice).transpose()?;
        Ok(Loaded {
            ruleset,
            provenance,
            patterns: HashMap::new(),
            is_bundle: true,
        })
    }

    /// Compiles a ruleset in memory.
    ///
    /// # Errors
    ///
    /// As [`ruleset_in_memory`].
    pub fn compile(source: &ir::Ruleset) -> Result<Loaded, BuildError> {
        let atoms = source.rules.iter().flat_map(|rule| rule.when.atoms());
        let patterns = atoms.filter_map(|atom| match &atom.test {
            ir::Test::Matches(pattern) => {
                Some((pattern.automaton().to_vec(), pattern.text().to_owned()))
            }
            _ => None,
        });
        Ok(Loaded {
            ruleset: ruleset_in_memory(source)?,
            provenance: Some(Provenance::new(source)),
            patterns: patterns.collect(),
            is_bundle: false,
        })
    }
}

/// Compares two bundles.
#[must_use]
pub fn diff(old: &Loaded, new: &Loaded) -> Report {
    // A text that one of them knows for an automaton does for the other.
    let mut patterns = old.patterns.clone();
    patterns.extend(new.patterns.clone());
    let sides = [old, new].map(|loaded| Side::new(loaded, &patterns));
    let [old, new] = &sides;
    Report::new(old, new)
}
