//! Which attributes a request is asked for, and what is looked up for each.
//!
//! Built when a ruleset is loaded, from the sections that find access predicates.

use alloc::vec;
use alloc::vec::Vec;

use crate::atoms::{AtomId, Atoms};
use crate::attributes::{AttributeId, Attributes, Base};
use crate::exact::Exact;
use crate::json::Pointers;
use crate::literals::Literals;
use crate::names::{NameId, Names};
use crate::networks::Networks;
use crate::policy::Policy;
use crate::ranks::Ranks;
use crate::strings::Strings;

/// What is looked up for each value of an attribute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lookups {
    pub(crate) exact: bool,
    /// Tables of the literals.
    pub(crate) literals: (u32, u32),
    /// Tables of the ranks.
    pub(crate) ranks: (u32, u32),
    /// A table of the networks.
    pub(crate) networks: Option<u32>,
    /// Atoms that are tested one by one.
    pub(crate) scanned: (u32, u32),
}

impl Lookups {
    fn is_any(&self) -> bool {
        let is_empty = |(start, end): (u32, u32)| start == end;
        self.exact
            || self.networks.is_some()
            || ![self.literals, self.ranks, self.scanned]
                .into_iter()
                .all(is_empty)
    }
}

/// The sections that find access predicates.
pub(crate) struct Index<'a> {
    pub(crate) strings: &'a Strings,
    pub(crate) attributes: &'a Attributes,
    pub(crate) atoms: &'a Atoms,
    pub(crate) exact: &'a Exact,
    pub(crate) literals: &'a Literals,
    pub(crate) networks: &'a Networks,
    pub(crate) ranks: &'a Ranks,
    pub(crate) policy: &'a Policy,
}

/// What a decision begins with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Of each attribute.
    lookups: Vec<Lookups>,
    /// Attributes without a name that give access.
    pub(crate) fixed: Vec<AttributeId>,
    /// Of each attribute with a name: the base, and the name among the base's.
    pub(crate) names: Vec<Option<(Base, NameId)>>,
    pub(crate) headers: Names,
    pub(crate) params: Names,
    pub(crate) cookies: Names,
    pub(crate) claims: Names,
    pub(crate) response_headers: Names,
    pub(crate) body_json: Names,
    pub(crate) body_form: Names,
    pub(crate) custom: Names,
    pub(crate) pointers: Pointers,
    /// By attribute.
    scanned: Vec<AtomId>,
}

impl Sources {
    pub(crate) fn new(index: &Index<'_>) -> Sources {
        let count = index.attributes.count() as usize;
        let mut sources = Sources {
            lookups: vec![Lookups::default(); count],
            names: vec![None; count],
            ..Sources::default()
        };
        sources.add_lookups(index);
        sources.add_scanned(index);
        let unnamed = (0..).zip(index.attributes.iter());
        let unnamed = unnamed.filter(|(_, attribute)| !attribute.base.has_key());
        let unnamed = unnamed.map(|(id, _)| id);
        sources.fixed = unnamed.filter(|id| sources.lookups(*id).is_any()).collect();
        sources.headers = sources.add_names(Base::Header, index);
        sources.params = sources.add_names(Base::Param, index);
        sources.cookies = sources.add_names(Base::Cookie, index);
        sources.claims = sources.add_names(Base::Claim, index);
        sources.response_headers = sources.add_names(Base::ResponseHeader, index);
        sources.body_json = sources.add_names(Base::BodyJson, index);
        sources.body_form = sources.add_names(Base::BodyForm, index);
        sources.custom = sources.add_names(Base::Custom, index);
        sources.pointers = Pointers::new(&sources.body_json, index.strings);
        sources
    }

    pub(crate) fn lookups(&self, id: AttributeId) -> Lookups {
        self.lookups.get(id as usize).copied().unwrap_or_default()
    }

    pub(crate) fn scanned(&self, lookups: &Lookups) -> &[AtomId] {
        let (start, end) = lookups.scanned;
        self.scanned
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn name(&self, id: AttributeId) -> Option<(Base, NameId)> {
        self.names.get(id as usize).copied().flatten()
    }

    /// The names of a base that has names.
    pub(crate) fn names_of(&self, base: Base) -> Option<&Names> {
        match base {
            Base::Header => Some(&self.headers),
            Base::Param => Some(&self.params),
            Base::Cookie => Some(&self.cookies),
            Base::Claim => Some(&self.claims),
            Base::ResponseHeader => Some(&self.response_headers),
            Base::BodyJson => Some(&self.body_json),
            Base::BodyForm => Some(&self.body_form),
            Base::Custom => Some(&self.custom),
            _ => None,
        }
    }

    fn add_lookups(&mut self, index: &Index<'_>) {
        for id in index.exact.attributes() {
            self.change(id, |lookups| lookups.exact = true);
        }
        for (table, id) in (0..).zip(index.literals.attributes()) {
            self.change(id, |lookups| extend(&mut lookups.literals, table));
        }
        for (table, id) in (0..).zip(index.ranks.attributes()) {
            self.change(id, |lookups| extend(&mut lookups.ranks, table));
        }
        for (table, id) in (0..).zip(index.networks.attributes()) {
            self.change(id, |lookups| lookups.networks = Some(table));
        }
    }

    fn add_scanned(&mut self, index: &Index<'_>) {
        let filed = |atom: AtomId| Some((index.atoms.get(atom)?.attribute, atom));
        let mut scanned: Vec<_> = index.policy.scanned().filter_map(filed).collect();
        scanned.sort_unstable();
        for (place, (attribute, _)) in (0..).zip(&scanned) {
            self.change(*attribute, |lookups| extend(&mut lookups.scanned, place));
        }
        self.scanned = scanned.into_iter().map(|(_, atom)| atom).collect();
    }

    fn change(&mut self, id: AttributeId, change: impl FnOnce(&mut Lookups)) {
        if let Some(lookups) = self.lookups.get_mut(id as usize) {
            change(lookups);
        }
    }

    fn add_names(&mut self, base: Base, index: &Index<'_>) -> Names {
        let gives_access = |id| self.lookups(id).is_any();
        let (names, of_attributes) =
            Names::new(base, index.attributes, index.strings, gives_access);
        for (id, name) in of_attributes {
            if let Some(slot) = self.names.get_mut(id as usize) {
                *slot = Some((base, name));
            }
        }
        names
    }
}

/// Makes a range that ends before `next`, or is empty, end behind it.
fn extend(range: &mut (u32, u32), next: u32) {
    if range.0 == range.1 {
        range.0 = next;
    }
    range.1 = next + 1;
}
