//! What finding access predicates costs, attribute by attribute.

use std::collections::HashMap;

use riskgate_engine::literals::{GRAM_LENS, MAX_BUCKET};

use super::steps::{Steps, comparison, logarithm, test};
use crate::ir::{Atom, List, ListValues, Test, View};
use crate::lower::plan::{Found, PlannedAtom};

/// An address has at most so many bits, and stands in at most one network of each length.
const NETWORKS_AROUND: u64 = 129;

/// What is looked up for the values of one attribute.
#[derive(Debug, Default)]
pub(super) struct Lookups<'p> {
    /// How many atoms each value makes true.
    exact: HashMap<&'p [u8], u64>,
    /// How many atoms each literal is filed for.
    literals: HashMap<&'p [u8], u64>,
    networks: u64,
    network_atoms: u64,
    /// Comparisons of numbers, and of what.
    ranks: u64,
    views: Vec<View>,
    tested: Vec<&'p Atom>,
}

impl<'p> Lookups<'p> {
    pub(super) fn add(&mut self, planned: &'p PlannedAtom<'p>, lists: &'p [List]) {
        match &planned.found {
            Found::Exact => count(exact_values(planned.atom, lists), &mut self.exact),
            Found::Literals(literals) => count(literals, &mut self.literals),
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
            Found::Tested => self.tested.push(planned.atom),
        }
    }

    /// Nothing is found, but for half of the comparisons.
    pub(super) fn typical(&self, lists: &[List]) -> Steps {
        let tests = self.tested.iter().map(|atom| test(atom, lists)).sum();
        Steps {
            once: self.address_search() + self.ranks / 2,
            per_value: 0,
            per_byte: self.tables(),
        }
        .plus(self.exact_search())
        .plus(self.numbers())
        .plus(tests)
    }

    /// Everything is found, literals at every position of the values. Tests count with the atoms.
    pub(super) fn worst(&self) -> Steps {
        Steps {
            once: self.address_search() + self.networks_walk() + self.ranks,
            per_value: self.exact.values().copied().max().unwrap_or_default(),
            per_byte: self.tables() * self.bucket(),
        }
        .plus(self.exact_search())
        .plus(Steps {
            once: 0,
            per_value: 0,
            per_byte: self.tables(),
        })
        .plus(self.numbers())
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

    /// To compare all entries of the fullest bucket that there can be, and to tell what they are filed for.
    fn bucket(&self) -> u64 {
        let mut entries: Vec<u64> = self
            .literals
            .iter()
            .map(|(literal, atoms)| 1 + comparison(literal.len()) + atoms)
            .collect();
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.into_iter().take(MAX_BUCKET as usize).sum()
    }

    /// One for each length of gram that a literal can be filed under.
    fn tables(&self) -> u64 {
        let fits = |length: &&u8| {
            let mut literals = self.literals.keys();
            literals.any(|literal| literal.len() >= usize::from(**length))
        };
        GRAM_LENS.iter().filter(fits).count() as u64
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
            View::Value | View::Size => Steps::once(1 + logarithm(self.ranks)),
        };
        self.views.iter().map(of_view).sum()
    }
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

fn count<'p>(texts: &'p [Vec<u8>], counts: &mut HashMap<&'p [u8], u64>) {
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
}
