//! What rules cost a request: the most that any can, and what is usual. docs/cost.md describes the model.
//!
//! Costs are counted in steps. A step is about a nanosecond: a byte that is transformed or walked through an automaton, a
//! place of a table that is looked at, a node of a condition. The worst case holds for every request within [`limits`],
//! however it was made; the engine has no loop that depends on anything else.

mod bill;
pub mod limits;
mod lookups;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use riskgate_engine::atoms::AtomId;
use riskgate_engine::literals::MAX_LITERAL_LEN;

use crate::ir::{Atom, Attribute, Condition, List, Ruleset, Test, View};
use crate::lower::LowerError;
use crate::lower::plan::{Access, Found, Plan, PlannedAtom, PlannedRule, plan};
use bill::Bill;
use lookups::Lookups;
use steps::{Steps, derivation, logarithm, test};

/// What a ruleset costs, in steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In source order.
    pub rules: Vec<RuleCost>,
    /// A request that no rule is looked at for, unless every request has to be.
    pub typical: u64,
    /// At most, for any request.
    pub worst: u64,
}

/// What one rule costs by itself, in steps. What it shares with other rules counts for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCost {
    /// Its id.
    pub id: String,
    /// What lets a request in: one word, or several with ` or ` between them.
    pub access: String,
    /// What a request pays that the rule does not match; what indexes do for all rules together is no rule's.
    pub typical: u64,
    /// Its whole condition, on the request for which that is dearest.
    pub worst: u64,
}

/// Reckons what a ruleset costs.
///
/// # Errors
///
/// When it cannot be compiled.
pub fn reckon(ruleset: &Ruleset) -> Result<Report, LowerError> {
    let plan = plan(ruleset)?;
    let lists = &ruleset.lists;
    let rules = ruleset.rules.iter().zip(&plan.rules);
    let rules = rules.map(|(rule, planned)| RuleCost {
        id: rule.id.clone(),
        access: describe(&planned.access, &plan),
        typical: typical_of(planned, &plan, lists),
        worst: worst_of(planned, &plan, lists),
    });
    let rules: Vec<RuleCost> = rules.collect();
    Ok(Report {
        typical: typical(&plan, lists, &rules),
        worst: worst(&plan, ruleset),
        rules,
    })
}

/// What a typical request pays for a condition that is looked at for every one.
pub(crate) fn of_condition(condition: &Condition) -> u64 {
    let mut atoms = Vec::new();
    collect(condition, &mut atoms);
    let mut bill = Bill::default();
    bill.add_once(1 + atoms.len() as u64);
    add_tests(
        atoms.into_iter().map(|atom| (atom, test(atom, &[]))),
        &mut bill,
    );
    bill.typical()
}

fn collect<'a>(condition: &'a Condition, atoms: &mut Vec<&'a Atom>) {
    match condition {
        Condition::Constant(_) => {}
        Condition::Atom(atom) => atoms.push(atom),
        Condition::Not(inner) => collect(inner, atoms),
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| collect(part, atoms));
        }
    }
}

fn describe(access: &Access, plan: &Plan<'_>) -> String {
    let Access::Any(keys) = access else {
        return "every request".to_owned();
    };
    let words: BTreeSet<&str> = keys
        .iter()
        .map(|key| match key.as_slice() {
            [atom] => plan.atoms.get(atom).map_or("tested", word),
            _ => "pair",
        })
        .collect();
    if words.is_empty() {
        return "never".to_owned();
    }
    words.into_iter().collect::<Vec<_>>().join(" or ")
}

fn word(planned: &PlannedAtom<'_>) -> &'static str {
    match (&planned.found, &planned.atom.test) {
        (Found::Exact, _) => "exact",
        (Found::Literals(_), Test::Matches(_)) => "pattern",
        (Found::Literals(_), _) => "literal",
        (Found::Networks(_), _) => "network",
        (Found::Rank, _) => "number",
        (Found::Tested, _) => "tested",
    }
}

/// What is asked of a request, without what is asked of its values.
fn source(attribute: &Attribute) -> Attribute {
    Attribute {
        view: View::Value,
        ..attribute.clone()
    }
}

/// Adds tests and, once each, the attributes that they test.
fn add_tests<'a>(tests: impl Iterator<Item = (&'a Atom, Steps)>, bill: &mut Bill) {
    let mut attributes = BTreeSet::new();
    for (Atom { attribute, .. }, steps) in tests {
        bill.add(&attribute.base, steps);
        if attributes.insert(source(attribute)) {
            bill.add(&attribute.base, derivation(attribute));
        }
    }
}

/// What an atom costs that has to be tested; the exact table has found all that are true of those that it holds.
fn tested<'p>(planned: &PlannedAtom<'p>, lists: &[List]) -> (&'p Atom, Steps) {
    let steps = match planned.found {
        Found::Exact => Steps::once(1),
        _ => test(planned.atom, lists),
    };
    (planned.atom, steps)
}

fn atoms_of<'p>(
    rule: &'p PlannedRule,
    plan: &'p Plan<'p>,
) -> impl Iterator<Item = &'p PlannedAtom<'p>> {
    let distinct: BTreeSet<AtomId> = rule.atoms.iter().copied().collect();
    distinct
        .into_iter()
        .filter_map(|atom| plan.atoms.get(&atom))
}

fn typical_of(rule: &PlannedRule, plan: &Plan<'_>, lists: &[List]) -> u64 {
    let mut bill = Bill::default();
    match &rule.access {
        Access::Always => {
            bill.add_once(1 + rule.atoms.len() as u64);
            add_tests(
                atoms_of(rule, plan).map(|atom| tested(atom, lists)),
                &mut bill,
            );
        }
        Access::Any(keys) => {
            let atoms = keys
                .iter()
                .flatten()
                .filter_map(|atom| plan.atoms.get(atom));
            let scanned = atoms.filter(|planned| planned.found == Found::Tested);
            add_tests(scanned.map(|atom| tested(atom, lists)), &mut bill);
        }
    }
    bill.typical()
}

fn worst_of(rule: &PlannedRule, plan: &Plan<'_>, lists: &[List]) -> u64 {
    let mut bill = Bill::default();
    bill.add_once(1 + rule.atoms.len() as u64);
    add_tests(
        atoms_of(rule, plan).map(|atom| tested(atom, lists)),
        &mut bill,
    );
    bill.worst()
}

/// The lookups of each attribute for which there are any.
fn all_lookups<'p>(plan: &'p Plan<'_>, lists: &'p [List]) -> BTreeMap<Attribute, Lookups<'p>> {
    let mut all: BTreeMap<Attribute, Lookups<'p>> = BTreeMap::new();
    for planned in plan.atoms.values() {
        // The table of exact values holds those of atoms that give no access too.
        if planned.gives_access || planned.found == Found::Exact {
            let attribute = source(&planned.atom.attribute);
            all.entry(attribute).or_default().add(planned, lists);
        }
    }
    all
}

fn typical(plan: &Plan<'_>, lists: &[List], rules: &[RuleCost]) -> u64 {
    let mut bill = Bill::default();
    for (attribute, lookups) in all_lookups(plan, lists) {
        bill.add(&attribute.base, derivation(&attribute));
        bill.add(&attribute.base, lookups.typical(lists));
    }
    let checked = rules.iter().zip(&plan.rules);
    let checked = checked.filter(|(_, planned)| matches!(planned.access, Access::Always));
    checked.for_each(|(rule, _)| bill.add_once(rule.typical));
    bill.typical()
}

/// Atoms of which a rule that is looked at may not know whether they are true; the others let requests in to all their rules.
fn unsure(plan: &Plan<'_>) -> BTreeSet<AtomId> {
    let of_rule = |rule: &PlannedRule| {
        let sure = match &rule.access {
            Access::Any(keys) if keys.len() == 1 => keys.concat(),
            Access::Any(_) | Access::Always => Vec::new(),
        };
        let atoms = rule.atoms.clone().into_iter();
        atoms.filter(move |atom| !sure.contains(atom))
    };
    plan.rules.iter().flat_map(of_rule).collect()
}

/// Whether an atom that an index finds needs no test to be true.
fn is_proven(planned: &PlannedAtom<'_>) -> bool {
    match (&planned.found, &planned.atom.test) {
        (
            Found::Literals(_),
            Test::StartsWith(text) | Test::EndsWith(text) | Test::Contains(text),
        ) => text.len() <= MAX_LITERAL_LEN,
        (Found::Exact | Found::Networks(_) | Found::Rank, _) => true,
        (Found::Literals(_) | Found::Tested, _) => false,
    }
}

fn worst(plan: &Plan<'_>, ruleset: &Ruleset) -> u64 {
    let mut bill = Bill::default();
    let unsure = unsure(plan);
    let tests = plan.atoms.iter().map(|(id, planned)| {
        if unsure.contains(id) || !is_proven(planned) {
            tested(planned, &ruleset.lists)
        } else {
            (planned.atom, Steps::once(1))
        }
    });
    add_tests(tests, &mut bill);
    for (attribute, lookups) in all_lookups(plan, &ruleset.lists) {
        bill.add(&attribute.base, lookups.worst());
    }
    let rule_count = ruleset.rules.len() as u64;
    for (rule, planned) in ruleset.rules.iter().zip(&plan.rules) {
        let ways = match &planned.access {
            Access::Always => 1,
            Access::Any(keys) => keys.len() as u64,
        };
        let own = 1 + ways + planned.atoms.len() as u64;
        // Matches and tags are sorted.
        let told = (1 + rule.then.tags.len() as u64).saturating_mul(2 + 2 * logarithm(rule_count));
        bill.add_once(own.saturating_add(told));
    }
    let access_count = plan.atoms.values().filter(|planned| planned.gives_access);
    if plan.pair_count > 0 {
        let pairs = plan.pair_count as u64;
        let probes = access_count.count() as u64 * (1 + logarithm(pairs));
        let seconds = pairs.saturating_mul(1 + logarithm(pairs));
        bill.add_once(probes.saturating_add(seconds));
    }
    bill.worst()
}
