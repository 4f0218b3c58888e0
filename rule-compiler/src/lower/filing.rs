//! Files access predicates where the engine finds them: each kind of test has its index.

use std::collections::{BTreeMap, BTreeSet};

use riskgate_engine::atoms::{self, AtomId};
use riskgate_engine::attributes::AttributeId;
use riskgate_engine::literals::{LiteralsWriter, MAX_LITERAL_LEN, NewLiteral, Place};
use riskgate_engine::ranks::{self, Threshold};

use super::intern::{Interner, index};
use super::networks::NetworksBuilder;
use crate::automaton;
use crate::ir::{Atom, List, ListValues, Prefix, Test, Transform, View};

/// Longer lists stay by themselves, each looked up for every value.
const SMALL_LIST: usize = 1_024;

/// How an atom is found from a request's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filing {
    /// By the value, in the table that holds every such atom.
    Exact,
    /// It cannot be true unless one of these stands in the value.
    Literals(Place, Vec<Vec<u8>>),
    /// By the networks around the address.
    Networks(Vec<Prefix>),
    /// By the rank of the number.
    Ranks,
    /// By no index: it is tested for every request that has the attribute.
    Scanned,
}

impl Filing {
    /// `prefixes` are those of a list that may be copied.
    pub(super) fn new(atom: &Atom, prefixes: Option<&[Prefix]>) -> Filing {
        match &atom.test {
            _ if atom.attribute.view == View::Address => Filing::Scanned,
            Test::OneOf(_) => Filing::Exact,
            Test::StartsWith(text) => literal(Place::Start, text),
            Test::EndsWith(text) => literal(Place::End, text),
            Test::Contains(text) => literal(Place::Anywhere, text),
            Test::Matches(pattern) => gate(pattern, &atom.attribute.transforms),
            Test::InPrefixes(prefixes) => Filing::Networks(prefixes.clone()),
            Test::InList(_) => prefixes.map_or(Filing::Scanned, |prefixes| {
                Filing::Networks(prefixes.to_vec())
            }),
            Test::Compare(..) => Filing::Ranks,
            Test::Present | Test::IsTrue | Test::IsFalse => Filing::Scanned,
        }
    }
}

/// The values of a list of strings that is small.
pub(super) fn small_list(lists: &[List], list: usize) -> Option<&[Vec<u8>]> {
    let list = lists.get(list).filter(|list| !list.approximate)?;
    match &list.values {
        ListValues::Strings(values) if values.len() <= SMALL_LIST => Some(values),
        _ => None,
    }
}

/// The prefixes of a list of networks that is small.
pub(super) fn small_networks(lists: &[List], list: usize) -> Option<&[Prefix]> {
    match &lists.get(list)?.values {
        ListValues::Prefixes(prefixes) if prefixes.len() <= SMALL_LIST => Some(prefixes),
        _ => None,
    }
}

/// What is compared of a long literal is its end where that has its place, else its front.
fn literal(place: Place, text: &[u8]) -> Filing {
    let cut = match place {
        Place::End => text.last_chunk::<MAX_LITERAL_LEN>(),
        Place::Start | Place::Anywhere => text.first_chunk(),
    };
    let text = cut.map_or(text, |cut| cut);
    if text.is_empty() {
        return Filing::Scanned;
    }
    Filing::Literals(place, vec![text.to_vec()])
}

/// What every match of a pattern contains.
fn gate(pattern: &automaton::Pattern, transforms: &[Transform]) -> Filing {
    let Some(required) = pattern.required() else {
        return Filing::Scanned;
    };
    let place = match required.place {
        automaton::Place::Start => Place::Start,
        automaton::Place::End => Place::End,
        automaton::Place::Anywhere => Place::Anywhere,
    };
    let is_lower = transforms.last() == Some(&Transform::LowerAscii);
    let can_stand = |text: &&Vec<u8>| !is_lower || !text.iter().any(u8::is_ascii_uppercase);
    let literals: Vec<Vec<u8>> = required
        .literals
        .iter()
        .filter(can_stand)
        .cloned()
        .collect();
    if literals.is_empty() {
        return Filing::Scanned;
    }
    Filing::Literals(place, literals)
}

/// The sections that find access predicates, but for the exact table.
#[derive(Debug, Default)]
pub(super) struct Filed {
    pub(super) literals: Vec<u8>,
    pub(super) networks: Vec<u8>,
    pub(super) ranks: Vec<u8>,
    /// Atoms that no index finds, ascending.
    pub(super) scanned: Vec<AtomId>,
}

/// Files the atoms that give access.
pub(super) fn file(access: &BTreeSet<AtomId>, interner: &mut Interner<'_>) -> Filed {
    let mut literals = LiteralsWriter::default();
    let mut networks = NetworksBuilder::default();
    let mut ranks = RanksBuilder::default();
    let mut scanned: BTreeSet<AtomId> = BTreeSet::new();
    for &id in access {
        let Some((atom, filing)) = interner.filing(id) else {
            continue;
        };
        let attribute = atom.attribute;
        match filing {
            Filing::Exact => {}
            Filing::Literals(place, texts) => {
                let (place, texts) = (*place, texts.clone());
                for text in texts {
                    let literal = interner.strings.intern(&text);
                    let new = NewLiteral {
                        attribute,
                        place,
                        literal,
                    };
                    literals.add(new, &text, id);
                }
            }
            Filing::Networks(prefixes) => networks.add(attribute, prefixes, id),
            Filing::Ranks => ranks.add(atom, id),
            Filing::Scanned => {
                scanned.insert(id);
            }
        }
    }
    let (literals, unfiled) = literals.write();
    scanned.extend(unfiled);
    Filed {
        literals,
        networks: networks.write(),
        ranks: ranks.write(),
        scanned: scanned.into_iter().collect(),
    }
}

/// Collects comparisons.
#[derive(Debug, Default)]
struct RanksBuilder {
    thresholds: BTreeMap<(AttributeId, atoms::View, atoms::Comparison), Vec<Threshold>>,
}

impl RanksBuilder {
    fn add(&mut self, atom: &atoms::Atom, id: AtomId) {
        if let atoms::Test::Compare(comparison, number) = atom.test {
            let key = (atom.attribute, atom.view, comparison);
            let thresholds = self.thresholds.entry(key).or_default();
            thresholds.push(Threshold { number, atom: id });
        }
    }

    fn write(self) -> Vec<u8> {
        let (mut tables, mut all) = (Vec::new(), Vec::new());
        for ((attribute, view, comparison), mut thresholds) in self.thresholds {
            thresholds.sort_by(|a, b| a.number.compare(b.number).then(a.atom.cmp(&b.atom)));
            tables.push(ranks::Table {
                attribute,
                view,
                comparison,
                thresholds: (index(all.len()), index(thresholds.len())),
            });
            all.extend(thresholds);
        }
        ranks::write(&tables, &all)
    }
}
