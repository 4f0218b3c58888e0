//! How the engine would look at a ruleset, for whoever reckons what that costs.

use std::collections::{BTreeMap, BTreeSet};

use riskgate_engine::atoms::AtomId;
use riskgate_engine::literals::Place;

use super::filing::{self, Filing};
use super::intern::Interner;
use super::{LowerError, actions, rules};
use crate::ir::{Atom, Condition, Counter, Ruleset};

/// The ways to the rules.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Distinct ones, by their index.
    pub(crate) atoms: BTreeMap<AtomId, PlannedAtom<'a>>,
    /// In source order.
    pub(crate) rules: Vec<PlannedRule>,
    /// Those that a bundle has.
    pub(crate) counters: Vec<PlannedCounter<'a>>,
    /// How many pairs of atoms there are that give access.
    pub(crate) pair_count: usize,
}

/// An atom and how the engine learns that it is true.
#[derive(Debug)]
pub(crate) struct PlannedAtom<'a> {
    pub(crate) atom: &'a Atom,
    pub(crate) found: Found,
    /// Whether rules are looked at because it is true.
    pub(crate) gives_access: bool,
}

/// How an atom that gives access is found to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// By its value.
    Exact,
    /// By literals of which one stands in a value, at this place of it.
    Literals(Place, Vec<Vec<u8>>),
    /// By so many networks.
    Networks(usize),
    /// By the rank of a number.
    Rank,
    /// By testing it for every request that has the attribute.
    Tested,
}

/// A rule and what lets a request in.
#[derive(Debug)]
pub(crate) struct PlannedRule {
    pub(crate) access: Access,
    /// Those of its condition, as often as they stand there.
    pub(crate) atoms: Vec<AtomId>,
}

/// A counter, and what is asked of every request to know whether it counts.
#[derive(Debug)]
pub(crate) struct PlannedCounter<'a> {
    pub(crate) counter: &'a Counter,
    /// Those that need no response, as often as they stand in the condition.
    pub(crate) atoms: Vec<AtomId>,
}

/// What has to be true for a rule to be looked at.
#[derive(Debug)]
pub(crate) enum Access {
    /// Nothing.
    Always,
    /// An atom, or all of a pair; none if the rule can never match.
    Any(Vec<Vec<AtomId>>),
}

/// Plans a ruleset as [`lower`](super::lower) would lower it.
pub(crate) fn plan(ruleset: &Ruleset) -> Result<Plan<'_>, LowerError> {
    let mut interner = Interner::new(&ruleset.lists, &ruleset.counters);
    let mut atoms = BTreeMap::new();
    let of_rules: Vec<Vec<AtomId>> = ruleset
        .rules
        .iter()
        .map(|rule| intern(&rule.when, &mut interner, &mut atoms))
        .collect();
    let actions = actions::lower(ruleset, &mut interner.strings);
    let lowered = rules::lower(ruleset, &actions, &mut interner);
    let counters = interner.counters.all().map(|counter| PlannedCounter {
        counter,
        atoms: of_request(&counter.count_when, &mut interner, &mut atoms),
    });
    let counters = counters.collect::<Vec<_>>();
    interner.check_chains()?;
    let access = lowered.access_atoms();
    let tested: BTreeSet<AtomId> = filing::file(&access, &mut interner)
        .scanned
        .into_iter()
        .collect();
    let atoms = atoms.into_iter().map(|(id, atom)| {
        let found = match interner.filing(id) {
            Some((_, filing)) if !tested.contains(&id) => found(filing),
            _ => Found::Tested,
        };
        let gives_access = access.contains(&id);
        let planned = PlannedAtom {
            atom,
            found,
            gives_access,
        };
        (id, planned)
    });
    Ok(Plan {
        atoms: atoms.collect(),
        pair_count: lowered.pairs.len(),
        counters,
        rules: of_rules
            .into_iter()
            .zip(accesses(&lowered, ruleset.rules.len()))
            .map(|(atoms, access)| PlannedRule { access, atoms })
            .collect(),
    })
}

/// The atoms of a condition, in the order in which lowering meets them.
fn intern<'a>(
    condition: &'a Condition,
    interner: &mut Interner<'_>,
    atoms: &mut BTreeMap<AtomId, &'a Atom>,
) -> Vec<AtomId> {
    match condition {
        Condition::Constant(_) => Vec::new(),
        Condition::Atom(atom) => {
            let id = interner.atom(atom);
            atoms.entry(id).or_insert(atom);
            vec![id]
        }
        Condition::Not(inner) => intern(inner, interner, atoms),
        Condition::All(parts) | Condition::Any(parts) => parts
            .iter()
            .flat_map(|part| intern(part, interner, atoms))
            .collect(),
    }
}

/// As [`intern`], without what only the response tells.
fn of_request<'a>(
    condition: &'a Condition,
    interner: &mut Interner<'_>,
    atoms: &mut BTreeMap<AtomId, &'a Atom>,
) -> Vec<AtomId> {
    let of_request = condition
        .atoms()
        .filter(|atom| !atom.attribute.base.is_of_response());
    let ids = of_request.map(|atom| {
        let id = interner.atom(atom);
        atoms.entry(id).or_insert(atom);
        id
    });
    ids.collect()
}

fn found(filing: &Filing) -> Found {
    match filing {
        Filing::Exact => Found::Exact,
        Filing::Literals(place, literals) => Found::Literals(*place, literals.clone()),
        Filing::Networks(prefixes) => Found::Networks(prefixes.len()),
        Filing::Ranks => Found::Rank,
        Filing::Scanned => Found::Tested,
    }
}

fn accesses(lowered: &rules::Rules, count: usize) -> Vec<Access> {
    let mut accesses: Vec<Access> = (0..count).map(|_| Access::Any(Vec::new())).collect();
    for &rule in &lowered.always {
        if let Some(access) = accesses.get_mut(rule as usize) {
            *access = Access::Always;
        }
    }
    let ones = lowered
        .postings
        .iter()
        .map(|(atom, rules)| (vec![*atom], rules));
    let pairs = lowered
        .pairs
        .iter()
        .map(|((a, b), rules)| (vec![*a, *b], rules));
    for (key, rules) in ones.chain(pairs) {
        for &rule in rules {
            if let Some(Access::Any(keys)) = accesses.get_mut(rule as usize) {
                keys.push(key.clone());
            }
        }
    }
    accesses
}
