//! Bodies of requests: which of them rules can read, and which rules ask for them.

mod ways;

use alloc::vec::Vec;
use core::ops::BitOrAssign;

use crate::atoms::{Atom, AtomId, Test};
use crate::attributes::{AttributeId, Base};
use crate::program::Programs;
use crate::sections::Sections;

pub use crate::json::{
    MAX_DEPTH as MAX_JSON_DEPTH, MAX_POINTERS as MAX_JSON_POINTERS, MAX_TOKENS as MAX_JSON_TOKENS,
    is_pointer as is_json_pointer,
};

use ways::{Way, Ways};

/// Whether headers say that the body is encoded, so that its bytes are not what the upstream reads. Names are in lower case.
#[must_use]
pub fn is_encoded(headers: &[(&[u8], &[u8])]) -> bool {
    let encodings = headers
        .iter()
        .filter(|(name, _)| *name == b"content-encoding")
        .flat_map(|(_, value)| value.split(|&byte| byte == b','));
    let mut encodings = encodings.map(<[u8]>::trim_ascii);
    encodings.any(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"))
}

/// Ways of reading a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Readings {
    pub(crate) json: bool,
    pub(crate) form: bool,
}

impl Readings {
    pub(crate) fn is_any(self) -> bool {
        self.json || self.form
    }

    /// Whether the others add nothing to these.
    pub(crate) fn cover(self, others: Readings) -> bool {
        (self.json || !others.json) && (self.form || !others.form)
    }

    /// Of all these attributes together.
    fn of_attributes(attributes: impl Iterator<Item = AttributeId>, sections: &Sections) -> Self {
        let mut readings = Readings::default();
        for attribute in attributes.filter_map(|id| sections.attributes.get(id)) {
            readings |= Readings {
                json: attribute.base == Base::BodyJson,
                form: attribute.base == Base::BodyForm,
            };
        }
        readings
    }
}

impl BitOrAssign for Readings {
    fn bitor_assign(&mut self, other: Readings) {
        self.json |= other.json;
        self.form |= other.form;
    }
}

/// What reads bodies, and how that is found before the body is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyRules {
    /// Of everything together.
    pub(crate) readings: Readings,
    /// Atoms that are not known before the body is: those of the body, and those that read a counter, which may count the
    /// request by its body.
    of_atoms: Vec<(AtomId, Readings)>,
    /// What the canaries of rules are drawn by.
    of_canaries: Vec<(u32, Readings)>,
    /// Every counter that reads the body: what its key and its distinct values consist of.
    pub(crate) of_counters: Vec<(u32, Readings)>,
    rules: Vec<u32>,
    ways: Ways,
}

impl BodyRules {
    /// Of sections that are all there.
    pub(crate) fn new(sections: &Sections) -> BodyRules {
        let mut found = BodyRules::default();
        if !sections.asks_late(|base| matches!(base, Base::BodyJson | Base::BodyForm)) {
            return found;
        }
        found.add_atoms(sections);
        found.add_canaries(sections);
        found.add_counters(sections);
        let all = found.of_atoms.iter().chain(&found.of_canaries);
        for (_, readings) in all.chain(&found.of_counters) {
            found.readings |= *readings;
        }
        if found.readings.is_any() {
            found.add_rules(sections);
            found.ways = Ways::new(&found, sections);
        }
        found
    }

    /// How an atom reads the body, if it is not known before that is.
    pub(crate) fn of_atom(&self, atom: AtomId) -> Option<Readings> {
        of(&self.of_atoms, atom)
    }

    /// How the canary of a rule reads the body, if it does.
    pub(crate) fn of_canary(&self, rule: u32) -> Option<Readings> {
        of(&self.of_canaries, rule)
    }

    /// Whether a rule reads the body.
    pub(crate) fn has(&self, rule: u32) -> bool {
        self.rules.binary_search(&rule).is_ok()
    }

    /// The ways into rules that only the body opens, while so much is known of the rest.
    pub(crate) fn let_in_by_body<'a>(
        &'a self,
        true_atoms: &'a [AtomId],
    ) -> impl Iterator<Item = Way> + 'a {
        self.ways.open(true_atoms)
    }

    fn add_atoms(&mut self, sections: &Sections) {
        for id in 0..sections.atoms.count() {
            let Some(Atom {
                attribute, test, ..
            }) = sections.atoms.get(id)
            else {
                continue;
            };
            if matches!(test, Test::Counter(..)) {
                let key = key_of_counter(attribute, sections);
                let readings = Readings::of_attributes(key, sections);
                self.of_atoms.push((id, readings));
                continue;
            }
            let readings = Readings::of_attributes(core::iter::once(attribute), sections);
            if readings.is_any() {
                self.of_atoms.push((id, readings));
            }
        }
    }

    fn add_canaries(&mut self, sections: &Sections) {
        for canary in sections.canaries.all() {
            let readings = Readings::of_attributes(sections.canaries.keys(&canary), sections);
            if readings.is_any() {
                self.of_canaries.push((canary.rule, readings));
            }
        }
    }

    fn add_counters(&mut self, sections: &Sections) {
        for (index, counter) in (0..).zip(&sections.counters.planned) {
            let distinct = counter
                .distinct
                .and_then(|tuple| sections.counters.tuples.get(tuple));
            let distinct = distinct.into_iter().flatten().copied();
            let parts = key_of_counter(index, sections).chain(distinct);
            let readings = Readings::of_attributes(parts, sections);
            if readings.is_any() || self.reads(counter.entry, sections) {
                self.of_counters.push((index, readings));
            }
        }
    }

    /// Whether any way through a condition comes to a test of the body.
    fn reads(&self, entry: u32, sections: &Sections) -> bool {
        self.of_condition(entry, &sections.programs).is_any()
    }

    /// Of all atoms of a condition.
    fn of_condition(&self, entry: u32, programs: &Programs) -> Readings {
        let mut readings = Readings::default();
        programs.explore(entry, &mut Vec::new(), |atom| {
            readings |= self.of_atom(atom).unwrap_or_default();
            None
        });
        readings
    }

    fn add_rules(&mut self, sections: &Sections) {
        for id in 0..sections.rules.count() {
            let entry = sections.rules.get(id).map(|rule| rule.entry);
            let reads = entry.is_some_and(|entry| self.reads(entry, sections));
            if reads || self.of_canary(id).is_some() {
                self.rules.push(id);
            }
        }
    }
}

/// What the key of a counter consists of.
fn key_of_counter(index: u32, sections: &Sections) -> impl Iterator<Item = AttributeId> {
    let counter = sections.counters.planned.get(index as usize);
    let parts = counter.and_then(|counter| sections.counters.tuples.get(counter.key));
    parts.into_iter().flatten().copied()
}

/// Of an index, in a list that ascends by it.
fn of(all: &[(u32, Readings)], index: u32) -> Option<Readings> {
    let place = all.binary_search_by_key(&index, |(held, _)| *held).ok()?;
    all.get(place).map(|(_, readings)| *readings)
}
