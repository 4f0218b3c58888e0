//! What finding access predicates costs, attribute by attribute.

use std::collections::HashMap;

use riskgate_engine::literals::{MAX_BUCKET, Place};

use super::limits::{HEAD_LEN, HEADER_COUNT};
use super::steps::{Steps, comparison, logarithm};
use crate::automaton;
use crate::ir::{Atom, Base, List, ListValues, Test, View};
use crate::lower::plan::{Found, PlannedAtom};

/// An address has at most so many bits, and stands in at most one network of each length.
const NETWORKS_AROUND: u64 = 129;

/// What is looked up for the values of one attribute.
#[derive(Debug, Default)]
pub(super) struct Lookups<'p> {
    /// How many atoms each value makes true.
    exact: HashMap<&'p [u8], u64>,
    /// How many atoms each literal is filed for.
    literals: HashMap<(Place, &'p [u8]), u64>,
    networks: u64,
    network_atoms: u64,
    /// Comparisons of numbers, and of what.
    ranks: u64,
    views: Vec<View>,
}

impl<'p> Lookups<'p> {
    pub(super) fn add(&mut self, planned: &'p PlannedAtom<'p>, lists: &'p [List]) {
        match &planned.found {
            Found::Exact => {
                for value in exact_values(planned.atom, lists) {
                    *self.exact.entry(value).or_default() += 1;
                }
            }
            Found::Literals(place, literals) => self.add_literals(*place, literals),
            Found::Networks(count) => {
                self.networks += *count as u64;
                self.network_atoms += 1;
            }
            Found::Rank => {
                self.ranks += 1;
                let view = planned.atom.attribute.view;
                if !self.views.contains(&view) {
                    self.views.push(view);
                }
            }
            Found::Tested => {
                // If one literal of a pattern found no room, the others are filed all the same.
                if let Test::Matches(pattern) = &planned.atom.test
                    && let Some(required) = pattern.required()
                {
                    let place = match required.place {
                        automaton::Place::Start => Place::Start,
                        automaton::Place::End => Place::End,
                        automaton::Place::Anywhere => Place::Anywhere,
                    };
                    self.add_literals(place, &required.literals);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Lookups {
            exact,
            literals,
            networks,
            network_atoms: _,
            ranks,
            views: _,
        } = self;
        exact.is_empty() && literals.is_empty() && *networks == 0 && *ranks == 0
    }

    fn add_literals(&mut self, place: Place, literals: &'p [Vec<u8>]) {
        for literal in literals {
            *self.literals.entry((place, literal)).or_default() += 1;
        }
    }

    /// Nothing is found, but for half of the comparisons.
    pub(super) fn typical(&self) -> Steps {
        let once = Steps::once(self.address_search() + self.ranks / 2);
        let tables = self.tables();
        let passes = tables.iter().map(|table| table.pass(1, false));
        once.plus(self.exact_search())
            .plus(self.numbers())
            .plus(passes.sum())
    }

    /// Everything is found, literals at every position of the values, and of each is told once. Tests count with the atoms.
    pub(super) fn worst(&self, base: &Base) -> Steps {
        let literals: u64 = self.literals.values().sum();
        let once = Steps::once(
            self.address_search()
                + self.networks_walk()
                + self.ranks
                + self.values_told(base)
                + literals,
        );
        let tables = self.tables();
        let passes = tables
            .iter()
            .map(|table| table.pass(1 + table.bucket(), is_split(base)));
        once.plus(self.exact_search())
            .plus(self.numbers())
            .plus(passes.sum())
    }

    /// What is told of the values that make most atoms true, as many as a request can have.
    fn values_told(&self, base: &Base) -> u64 {
        let most = match base {
            _ if is_split(base) => HEAD_LEN,
            Base::Header(_) => HEADER_COUNT,
            _ => 1,
        };
        let mut told: Vec<u64> = self.exact.values().copied().collect();
        told.sort_unstable_by(|a, b| b.cmp(a));
        told.into_iter().take(most as usize).sum()
    }

    /// The tables that the literals are filed in, at most: one for each class of lengths that have grams of one length.
    fn tables(&self) -> Vec<LiteralTable> {
        let mut tables: Vec<LiteralTable> = Vec::new();
        for &(place, literal) in self.literals.keys() {
            let class = LengthClass::of(literal);
            let index = tables.iter().position(|table| table.class == class);
            let index = index.unwrap_or_else(|| {
                tables.push(LiteralTable::new(class));
                tables.len() - 1
            });
            if let Some(table) = tables.get_mut(index) {
                table.add(place, literal.len());
            }
        }
        // The two longest classes are one table where there are few literals.
        let is_shared =
            |table: &LiteralTable| matches!(table.class, LengthClass::Four | LengthClass::Long);
        if tables.iter().any(|t| is_shared(t) && !t.is_all_at_start) {
            let shared = tables.iter_mut().filter(|table| is_shared(table));
            shared.for_each(|table| table.is_all_at_start = false);
        }
        tables
    }

    fn exact_search(&self) -> Steps {
        if self.exact.is_empty() {
            return Steps::default();
        }
        Steps {
            once: 0,
            per_value: 3 + logarithm(self.exact.len() as u64),
            per_byte: 1,
        }
    }

    fn address_search(&self) -> u64 {
        match self.networks {
            0 => 0,
            networks => 2 + logarithm(2 * networks),
        }
    }

    /// The networks around an address, and every atom once for each of its own among them.
    fn networks_walk(&self) -> u64 {
        let told = self.networks.min(self.network_atoms * NETWORKS_AROUND);
        NETWORKS_AROUND.min(self.networks) + told
    }

    /// To make numbers of values.
    fn numbers(&self) -> Steps {
        let of_view = |view: &View| match view {
            // Two numbers can be equal to a third: an int and a double.
            View::Int | View::Double => Steps {
                once: 1,
                per_value: 4 + logarithm(self.ranks),
                per_byte: 1,
            },
            View::Length => Steps::per_value(3 + logarithm(self.ranks)),
            View::Value | View::Size | View::Address => Steps::once(1 + logarithm(self.ranks)),
        };
        self.views.iter().map(of_view).sum()
    }
}

/// Literals whose grams have one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LengthClass {
    One,
    Two,
    Four,
    /// Grams of four or of eight bytes, as the literals are few or many.
    Long,
}

impl LengthClass {
    fn of(literal: &[u8]) -> LengthClass {
        match literal.len() {
            0 | 1 => LengthClass::One,
            2 | 3 => LengthClass::Two,
            4..8 => LengthClass::Four,
            _ => LengthClass::Long,
        }
    }
}

#[derive(Debug)]
struct LiteralTable {
    class: LengthClass,
    lengths: Vec<usize>,
    is_all_at_start: bool,
}

impl LiteralTable {
    fn new(class: LengthClass) -> LiteralTable {
        LiteralTable {
            class,
            lengths: Vec::new(),
            is_all_at_start: true,
        }
    }

    fn add(&mut self, place: Place, length: usize) {
        self.lengths.push(length);
        self.is_all_at_start &= place == Place::Start;
    }

    /// To compare all entries of the fullest bucket that there can be.
    fn bucket(&self) -> u64 {
        let mut entries: Vec<u64> = self
            .lengths
            .iter()
            .map(|length| 1 + comparison(*length))
            .collect();
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.into_iter().take(MAX_BUCKET as usize).sum()
    }

    /// A pass at so many steps a position: over all of a value, or where all literals are starts over as much as the longest.
    /// Where values are many and short that is no less.
    fn pass(&self, steps: u64, is_split: bool) -> Steps {
        let longest = self.lengths.iter().max().copied().unwrap_or_default();
        if self.is_all_at_start && !is_split {
            return Steps::per_value(steps * longest as u64);
        }
        Steps {
            per_byte: steps,
            ..Steps::default()
        }
    }
}

/// Whether values are parts of one text, so that a request can have thousands of them.
fn is_split(base: &Base) -> bool {
    matches!(
        base,
        Base::Param(_)
            | Base::Cookie(_)
            | Base::Claim(_)
            | Base::BodyJson(_)
            | Base::BodyForm(_)
            | Base::Custom { .. }
    )
}

/// The values of an atom that the exact table finds: those of small lists stand there too.
fn exact_values<'p>(atom: &'p Atom, lists: &'p [List]) -> &'p [Vec<u8>] {
    match &atom.test {
        Test::OneOf(values) => values,
        Test::InList(list) => match lists.get(*list).map(|list| &list.values) {
            Some(ListValues::Strings(values)) => values,
            Some(ListValues::Prefixes(_)) | None => &[],
        },
        _ => &[],
    }
}
