//! What rules cost a request: the most that any can, and what is usual. docs/cost.md describes the model.
//!
//! Costs are counted in steps. A step is about a nanosecond: a byte that is transformed or walked through an automaton, a
//! place of a table that is looked at, a node of a condition. The worst case holds for every request within [`limits`],
//! however it was made; the engine has no loop that depends on anything else.

mod bill;
mod counting;
pub mod limits;
mod lookups;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use riskgate_engine::atoms::AtomId;
use riskgate_engine::literals::MAX_LITERAL_LEN;

use crate::ir::{Atom, Attribute, Condition, List, Rule, Ruleset, Stage, Test, View};
use crate::lower::LowerError;
use crate::lower::plan::{Access, Found, Plan, PlannedAtom, PlannedRule, plan};
use bill::Bill;
use counting::Request;
use lookups::Lookups;
use steps::{DRAW_STEPS, Steps, derivation, hashing, logarithm, test};

/// What a ruleset costs, in steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In source order.
    pub rules: Vec<RuleCost>,
    /// What is paid once, whatever the number of rules: to derive what indexes read, and to look it up.
    pub indexes: Cost,
    /// What every request pays for each counter that the bundle has, whatever the number of rules that read it.
    pub counters: Vec<CounterCost>,
    /// A request that no rule is looked at for, but for those that every request has to be tested against, and half of those
    /// that a comparison of numbers lets in.
    pub typical: u64,
    /// At most, for any request.
    pub worst: u64,
}

/// Steps of a typical request, and of the dearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Cost {
    pub typical: u64,
    pub worst: u64,
}

/// What one counter costs by itself, in steps. What it shares with rules and other counters counts for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterCost {
    /// Its name.
    pub name: String,
    /// What it costs.
    pub cost: Cost,
}

/// What one rule costs by itself, in steps. What it shares with other rules counts for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCost {
    /// Its id.
    pub id: String,
    /// What lets a request in: one word, or several with ` or ` between them.
    pub access: String,
    /// What a typical request pays for it; what indexes do for all rules together is no rule's.
    pub typical: u64,
    /// Its whole condition and what follows from it, on the request for which that is dearest.
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
        worst: worst_of(rule, planned, &plan, ruleset),
    });
    let rules: Vec<RuleCost> = rules.collect();
    Ok(Report {
        indexes: Cost {
            typical: indexes_typical(&plan, lists).typical(),
            worst: indexes_worst(&plan, lists).worst(),
        },
        counters: counting::costs(&plan, lists),
        typical: typical(&plan, lists),
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
        (Found::Literals(..), Test::Matches(_)) => "pattern",
        (Found::Literals(..), _) => "literal",
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
) -> impl Iterator<Item = (AtomId, &'p PlannedAtom<'p>)> {
    let distinct: BTreeSet<AtomId> = rule.atoms.iter().copied().collect();
    distinct
        .into_iter()
        .filter_map(|atom| Some((atom, plan.atoms.get(&atom)?)))
}

fn typical_of(rule: &PlannedRule, plan: &Plan<'_>, lists: &[List]) -> u64 {
    let scanned = keys_of(rule)
        .filter_map(|atom| plan.atoms.get(&atom))
        .filter(|planned| planned.found == Found::Tested);
    let mut bill = Bill::default();
    add_tests(scanned.map(|atom| tested(atom, lists)), &mut bill);
    bill.add_once(passing(rule, plan, lists));
    bill.typical()
}

/// What typical requests pay on average for looking at a rule, because nothing has to hold, or a comparison that holds for
/// half of them.
fn passing(rule: &PlannedRule, plan: &Plan<'_>, lists: &[List]) -> u64 {
    let is_rank = |atom: &AtomId| {
        let planned = plan.atoms.get(atom);
        planned.is_some_and(|planned| planned.found == Found::Rank)
    };
    let one_in = match &rule.access {
        Access::Always => 1,
        Access::Any(keys) if keys.iter().any(|key| key.iter().all(is_rank)) => 2,
        Access::Any(_) => return 0,
    };
    let keys: BTreeSet<AtomId> = keys_of(rule).collect();
    let is_known = |(id, planned): &(AtomId, &PlannedAtom<'_>)| {
        keys.contains(id) && matches!(planned.found, Found::Rank | Found::Tested)
    };
    let unknown = atoms_of(rule, plan).filter(|atom| !is_known(atom));
    let mut bill = Bill::default();
    bill.add_once(1 + rule.atoms.len() as u64);
    add_tests(unknown.map(|(_, atom)| tested(atom, lists)), &mut bill);
    bill.typical().div_ceil(one_in)
}

/// The atoms that let requests in.
fn keys_of(rule: &PlannedRule) -> impl Iterator<Item = AtomId> {
    let keys: &[Vec<AtomId>] = match &rule.access {
        Access::Always => &[],
        Access::Any(keys) => keys,
    };
    keys.iter().flatten().copied()
}

fn worst_of(rule: &Rule, planned: &PlannedRule, plan: &Plan<'_>, ruleset: &Ruleset) -> u64 {
    let mut bill = Bill::default();
    bill.add_once(visit(rule, planned, ruleset.rules.len() as u64));
    add_tests(
        atoms_of(planned, plan).map(|(_, atom)| tested(atom, &ruleset.lists)),
        &mut bill,
    );
    add_draws(std::slice::from_ref(rule), &mut bill);
    bill.worst()
}

/// To look at a rule at most, and to take its match and its tags to their places among all.
fn visit(rule: &Rule, planned: &PlannedRule, rule_count: u64) -> u64 {
    let ways = match &planned.access {
        Access::Always => 1,
        Access::Any(keys) => keys.len() as u64,
    };
    let own = 1 + ways + planned.atoms.len() as u64;
    let told = (1 + rule.then.tags.len() as u64).saturating_mul(2 + 2 * logarithm(rule_count));
    own.saturating_add(told)
}

/// Adds what it takes to find out which of its canaries a request is in, if it matches them all.
fn add_draws(rules: &[Rule], bill: &mut Bill) {
    let mut derived = BTreeSet::new();
    for rule in rules {
        let Stage::Canary(canary) = &rule.stage else {
            continue;
        };
        bill.add_once(DRAW_STEPS);
        for key in &canary.by {
            bill.add(&key.base, hashing());
            if derived.insert(source(key)) {
                bill.add(&key.base, derivation(key));
            }
        }
    }
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
    all.retain(|_, lookups| !lookups.is_empty());
    all
}

fn indexes_typical(plan: &Plan<'_>, lists: &[List]) -> Bill {
    let mut bill = Bill::default();
    for (attribute, lookups) in all_lookups(plan, lists) {
        bill.add(&attribute.base, derivation(&attribute));
        bill.add(&attribute.base, lookups.typical());
    }
    bill
}

fn typical(plan: &Plan<'_>, lists: &[List]) -> u64 {
    let mut bill = indexes_typical(plan, lists);
    let mut derived: BTreeSet<Attribute> = all_lookups(plan, lists).into_keys().collect();
    let scanned = plan.atoms.values();
    let scanned = scanned.filter(|planned| planned.gives_access && planned.found == Found::Tested);
    for planned in scanned {
        let (Atom { attribute, .. }, steps) = tested(planned, lists);
        bill.add(&attribute.base, steps);
        if derived.insert(source(attribute)) {
            bill.add(&attribute.base, derivation(attribute));
        }
    }
    for rule in &plan.rules {
        bill.add_once(passing(rule, plan, lists));
    }
    for counter in &plan.counters {
        bill.add_once(counting::bill(counter, plan, lists, Request::Typical).typical());
    }
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
    let of_rules = plan.rules.iter().flat_map(of_rule);
    let of_counters = plan.counters.iter().flat_map(|counter| &counter.atoms);
    of_rules.chain(of_counters.copied()).collect()
}

/// Whether an atom that an index finds needs no test to be true.
fn is_proven(planned: &PlannedAtom<'_>) -> bool {
    match (&planned.found, &planned.atom.test) {
        (
            Found::Literals(..),
            Test::StartsWith(text) | Test::EndsWith(text) | Test::Contains(text),
        ) => text.len() <= MAX_LITERAL_LEN,
        (Found::Exact | Found::Networks(_) | Found::Rank, _) => true,
        (Found::Literals(..) | Found::Tested, _) => false,
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
    add_lookups(plan, &ruleset.lists, &mut bill);
    for (rule, planned) in ruleset.rules.iter().zip(&plan.rules) {
        bill.add_once(visit(rule, planned, ruleset.rules.len() as u64));
    }
    add_draws(&ruleset.rules, &mut bill);
    for counter in &plan.counters {
        counting::add_keys(counter, Request::Worst, &mut bill);
        bill.add_once(1 + counter.atoms.len() as u64);
    }
    bill.worst()
}

fn indexes_worst(plan: &Plan<'_>, lists: &[List]) -> Bill {
    let mut bill = Bill::default();
    for attribute in all_lookups(plan, lists).keys() {
        bill.add(&attribute.base, derivation(attribute));
    }
    add_lookups(plan, lists, &mut bill);
    bill
}

/// What all indexes do at most, once there is what they read.
fn add_lookups(plan: &Plan<'_>, lists: &[List], bill: &mut Bill) {
    for (attribute, lookups) in all_lookups(plan, lists) {
        bill.add(&attribute.base, lookups.worst(&attribute.base));
    }
    let access_count = plan.atoms.values().filter(|planned| planned.gives_access);
    if plan.pair_count > 0 {
        let pairs = plan.pair_count as u64;
        let probes = access_count.count() as u64 * (1 + logarithm(pairs));
        let seconds = pairs.saturating_mul(1 + logarithm(pairs));
        bill.add_once(probes.saturating_add(seconds));
    }
}
