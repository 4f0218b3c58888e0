//! A clock that was ahead by more than a window and was set back: what is counted under the right time counts.

use crate::model::{DISTINCT, EVENTS, hash};
use riskgate_engine::counters::{CounterDefinition, Table};

/// The slice by a clock that was ahead.
const AHEAD: u64 = 1_000;
/// The slice by the right one.
const NOW: u64 = 900;

const DEFINITIONS: [CounterDefinition; 2] = [
    CounterDefinition {
        max_keys: 4,
        ..EVENTS
    },
    CounterDefinition {
        max_keys: 4,
        ..DISTINCT
    },
];

fn count(table: &mut Table, key: u64, slice: u64, values: u64) {
    let is_distinct = table.definition().is_distinct;
    for value in 0..values {
        table.count(hash(key), slice, is_distinct.then_some(hash(value)));
    }
}

#[test]
fn what_others_count_then_is_taken_in() {
    for (definition, before) in DEFINITIONS.iter().flat_map(|d| [(d, 3), (d, 40)]) {
        let (mut one, mut other) = (Table::new(definition, true), Table::new(definition, true));
        count(&mut one, 1, AHEAD, before);
        count(&mut other, 1, NOW, 5);
        let mut block = Vec::new();
        other.write(0, NOW, &mut block);
        assert_eq!(one.join(0, &block, NOW), Ok(()));
        assert_eq!(one.read(hash(1), NOW), 5, "{definition:?}, {before} before");
    }
}

#[test]
fn what_is_evicted_then_goes_on_to_count() {
    for definition in &DEFINITIONS {
        let mut table = Table::new(definition, false);
        (100..400).for_each(|key| count(&mut table, key, AHEAD, 1));
        count(&mut table, 1, NOW, 20);
        (100..400).for_each(|key| count(&mut table, key, NOW, 1));
        let found = table.read(hash(1), NOW);
        assert!(found >= 20, "{found}, {definition:?}");
    }
}

#[test]
fn what_others_have_evicted_then_is_taken_in() {
    for definition in &DEFINITIONS {
        let (mut one, mut other) = (Table::new(definition, true), Table::new(definition, true));
        (100..400).for_each(|key| count(&mut one, key, AHEAD, 1));
        count(&mut other, 1, NOW, 20);
        (100..400).for_each(|key| count(&mut other, key, NOW, 1));
        let mut block = Vec::new();
        other.write(0, NOW, &mut block);
        assert_eq!(one.join(0, &block, NOW), Ok(()));
        let found = one.read(hash(1), NOW);
        assert!(found >= 20, "{found}, {definition:?}");
    }
}

#[test]
fn slices_that_a_neighbour_forged_ahead_push_nothing_out() {
    for (definition, values) in DEFINITIONS.iter().flat_map(|d| [(d, 20), (d, 32), (d, 60)]) {
        let (mut table, mut forger) = (Table::new(definition, true), Table::new(definition, true));
        count(&mut table, 1, NOW - 3, values);
        let before = table.read(hash(1), NOW);
        let mut block = Vec::new();
        for ahead in 1..8 {
            count(&mut forger, 1, NOW + ahead, 40);
            forger.write(0, NOW, &mut block);
            assert_eq!(table.join(0, &block, NOW), Ok(()));
        }
        let found = table.read(hash(1), NOW);
        assert!(found >= before, "{found}, {before}, {definition:?}");
    }
}
