//! What atoms are known from: the request, its response, or what was counted.

use crate::atoms::{AtomId, Atoms, Test};
use crate::attributes::Attributes;
use crate::bundle::BundleError;
use crate::pairs::Pairs;
use crate::policy::Policy;
use crate::program::{ACCEPT, Programs, REJECT};

/// What an atom is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
    Counter,
}

/// What an atom is known from.
pub(crate) fn side(atom: AtomId, atoms: &Atoms, attributes: &Attributes) -> Side {
    let Some(atom) = atoms.get(atom) else {
        return Side::Request;
    };
    if matches!(atom.test, Test::Counter(..)) {
        return Side::Counter;
    }
    let attribute = attributes.get(atom.attribute);
    if attribute.is_some_and(|attribute| attribute.base.is_of_response()) {
        return Side::Response;
    }
    Side::Request
}

/// Where atoms may give access to rules.
pub(crate) struct Ways<'a> {
    pub(crate) atoms: &'a Atoms,
    pub(crate) attributes: &'a Attributes,
    pub(crate) policy: &'a Policy,
    pub(crate) pairs: &'a Pairs,
    pub(crate) programs: &'a Programs,
}

impl Ways<'_> {
    /// Checks that what is known only once rules are looked at lets no rule in, and that no rule asks for a response.
    /// `entries` are where the counters' conditions start, behind those of all rules.
    pub(crate) fn check(&self, entries: impl Iterator<Item = u32>) -> Result<(), BundleError> {
        let side = |atom| side(atom, self.atoms, self.attributes);
        let has_postings = |atom| self.atoms.postings(atom).next().is_some();
        let mut late = (0..self.atoms.count()).filter(|atom| side(*atom) != Side::Request);
        let mut access = self.policy.scanned().chain(self.pairs.atoms());
        if late.any(has_postings) || access.any(|atom| side(atom) != Side::Request) {
            return Err(BundleError::BadValue { what: "atoms" });
        }
        let is_node = |entry: &u32| !matches!(*entry, ACCEPT | REJECT);
        let end = entries.filter(is_node).min().unwrap_or(u32::MAX);
        let nodes = (0..end).map_while(|index| self.programs.node(index));
        let mut atoms = nodes.map(|node| node.atom);
        if atoms.any(|atom| side(atom) == Side::Response) {
            return Err(BundleError::BadValue { what: "programs" });
        }
        Ok(())
    }
}
