//! Counters: which of them are one, and their section.

use riskgate_engine::counters::{self, NO_ATTRIBUTE};
use riskgate_engine::program::Node;

use super::condition::{Formula, emit};
use super::identity;
use super::intern::{Interner, index};
use crate::ir::{Counter, List};

/// The counters of a ruleset. Those that count the same are one in a bundle.
#[derive(Debug)]
pub(super) struct Counters<'a> {
    different: Vec<([u8; 16], &'a Counter)>,
    /// Of each counter of the ruleset its place among those that are different.
    places: Vec<u32>,
}

impl<'a> Counters<'a> {
    pub(super) fn new(counters: &'a [Counter], lists: &[List]) -> Counters<'a> {
        let mut different: Vec<([u8; 16], &Counter)> = Vec::new();
        let places = counters.iter().map(|counter| {
            let identity = identity::of(counter, lists);
            let known = different.iter().position(|(known, _)| *known == identity);
            let place = known.unwrap_or_else(|| {
                different.push((identity, counter));
                different.len() - 1
            });
            index(place)
        });
        Counters {
            places: places.collect(),
            different,
        }
    }

    /// Those that a bundle has.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Counter> + use<'a> {
        let all: Vec<&Counter> = self.different.iter().map(|(_, counter)| *counter).collect();
        all.into_iter()
    }

    /// Where a counter of the ruleset stands in the bundle.
    pub(super) fn index(&self, counter: usize) -> u32 {
        self.places.get(counter).copied().unwrap_or(u32::MAX)
    }
}

/// The section, if there are any counters; their conditions go behind those of the rules.
pub(super) fn lower(interner: &mut Interner<'_>, nodes: &mut Vec<Node>) -> Option<Vec<u8>> {
    let different = interner.counters.different.clone();
    let (mut records, mut parts) = (Vec::new(), Vec::new());
    for (identity, counter) in different {
        let formula = Formula::new(&counter.count_when, interner);
        let own: Vec<u32> = counter
            .key
            .iter()
            .map(|part| interner.attribute(part))
            .collect();
        let distinct = counter.distinct.as_ref();
        records.push(counters::Counter {
            identity,
            name: interner.strings.intern(counter.name.as_bytes()),
            window_ms: counter.window_ms,
            max_keys: counter.max_keys,
            entry: emit(&formula, nodes),
            distinct: distinct.map_or(NO_ATTRIBUTE, |attribute| interner.attribute(attribute)),
            waits_for_response: counter.waits_for_response(),
            key: (index(parts.len()), index(own.len())),
        });
        parts.extend(own);
    }
    (!records.is_empty()).then(|| counters::write(&records, &parts))
}
