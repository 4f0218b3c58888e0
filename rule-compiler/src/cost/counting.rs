//! What counters cost: each asks every request whether it counts, and counts its keys.

use std::collections::BTreeSet;

use riskgate_engine::counters::MAX_COMBINATIONS;

use super::bill::Bill;
use super::steps::{COUNT_STEPS, KEY_STEPS, derivation, hashing};
use super::{Cost, CounterCost, add_tests, source, tested};
use crate::ir::List;
use crate::lower::plan::{Plan, PlannedCounter};

/// Whether a request has one key, or as many as are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Typical,
    Worst,
}

pub(super) fn costs(plan: &Plan<'_>, lists: &[List]) -> Vec<CounterCost> {
    let cost = |counter: &PlannedCounter<'_>| CounterCost {
        name: counter.counter.name.clone(),
        cost: Cost {
            typical: bill(counter, plan, lists, Request::Typical).typical(),
            worst: bill(counter, plan, lists, Request::Worst).worst(),
        },
    };
    plan.counters.iter().map(cost).collect()
}

/// What a counter costs by itself.
pub(super) fn bill(
    counter: &PlannedCounter<'_>,
    plan: &Plan<'_>,
    lists: &[List],
    request: Request,
) -> Bill {
    let mut bill = Bill::default();
    bill.add_once(1 + counter.atoms.len() as u64);
    let distinct: BTreeSet<_> = counter.atoms.iter().collect();
    let atoms = distinct.into_iter().filter_map(|atom| plan.atoms.get(atom));
    add_tests(atoms.map(|atom| tested(atom, lists)), &mut bill);
    add_keys(counter, request, &mut bill);
    bill
}

/// Adds what it takes to hash the keys and the distinct values, and to count them. A value is hashed with each combination that
/// it stands in.
pub(super) fn add_keys(counter: &PlannedCounter<'_>, request: Request, bill: &mut Bill) {
    let most = match request {
        Request::Typical => 1,
        Request::Worst => MAX_COMBINATIONS as u64,
    };
    let counter = counter.counter;
    let times = if counter.key.len() > 1 { most } else { 1 };
    let parts = counter.key.iter().map(|part| (part, times));
    let distinct = counter.distinct.iter().map(|part| (part, 1));
    let mut derived = BTreeSet::new();
    for (part, times) in parts.chain(distinct) {
        let mut hashed = hashing();
        hashed.per_byte *= times;
        bill.add(&part.base, hashed);
        if derived.insert(source(part)) {
            bill.add(&part.base, derivation(part));
        }
    }
    let values = if counter.distinct.is_some() { most } else { 0 };
    let hashes = (most + values) * KEY_STEPS;
    bill.add_once(hashes + most * values.max(1) * COUNT_STEPS);
}
