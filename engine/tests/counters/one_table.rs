//! One thread's counts.

use crate::model::{DISTINCT, EVENTS, Exact, hash, is_close};
use proptest::prelude::*;
use riskgate_engine::counters::{CounterDefinition, Losses, Table};

/// A key, how many slices pass before, a value.
type Event = (u64, u64, u64);

fn events(keys: u64, values: u64, count: usize) -> impl Strategy<Value = Vec<Event>> {
    let pause = prop_oneof![20 => Just(0), 3 => 1..4_u64, 1 => 5..12_u64];
    prop::collection::vec((0..keys, pause, 0..values), 1..count)
}

/// Counts in both, reads each event's key after it and every key in the end, and compares. Says what was lost.
fn check(
    definition: &CounterDefinition,
    events: &[Event],
    holds: impl Fn(u64, u64) -> bool,
) -> Losses {
    let mut table = Table::new(definition, false);
    let mut exact = Exact::default();
    // The numbers of slices wrap at 2^32.
    let mut slice = (1 << 32) - 20;
    let compare = |table: &mut Table, exact: &Exact, key, slice| {
        let (found, expected) = (table.read(key, slice), exact.read(key, slice));
        assert!(
            holds(found, expected),
            "key {key:x}: {found}, exactly {expected}"
        );
    };
    for (key, pause, value) in events {
        slice += pause;
        let (key, value) = (hash(*key), hash(*value));
        let value = definition.is_distinct.then_some(value);
        table.count(key, slice, value);
        exact.count(key, slice, value);
        compare(&mut table, &exact, key, slice);
    }
    for later in 0..9 {
        exact
            .keys()
            .for_each(|key| compare(&mut table, &exact, key, slice + later));
    }
    table.take_losses()
}

fn few_keys(definition: &CounterDefinition) -> CounterDefinition {
    CounterDefinition {
        max_keys: 8,
        ..*definition
    }
}

proptest! {
    #[test]
    fn events_are_counted_exactly_while_nothing_is_evicted(events in events(60, 1, 600)) {
        let losses = check(&EVENTS, &events, |found, exact| found == exact);
        prop_assert_eq!(losses, Losses::default());
    }

    #[test]
    fn values_are_counted_exactly_up_to_32(events in events(5, 32, 600)) {
        let losses = check(&DISTINCT, &events, |found, exact| found == exact);
        prop_assert_eq!(losses, Losses::default());
    }

    /// Whatever came before: it rises beyond 32 and falls again many times here.
    #[test]
    fn values_are_counted_exactly_wherever_32_or_less_are_left(events in events(2, 90, 600)) {
        check(&DISTINCT, &events, is_close);
    }

    #[test]
    fn events_are_never_counted_too_few(events in events(200, 1, 1_000)) {
        check(&few_keys(&EVENTS), &events, |found, exact| found >= exact);
    }

    #[test]
    fn values_are_never_counted_too_few(events in events(100, 30, 1_000)) {
        check(&few_keys(&DISTINCT), &events, |found, exact| found >= exact);
    }
}

#[test]
fn more_values_than_32_are_estimated_and_32_are_exact_again_after_a_window() {
    let mut table = Table::new(&DISTINCT, false);
    for number in 0..2_000 {
        table.count(hash(1), 100, Some(hash(number)));
        let (found, exact) = (table.read(hash(1), 100), number + 1);
        assert!(is_close(found, exact), "{found} of {exact}");
    }
    // It goes on to be seen in each slice, so that it is never forgotten as a whole.
    for number in 0..10 {
        table.count(hash(1), 101 + number / 2, Some(hash(number)));
    }
    assert!(table.read(hash(1), 107) > 1_500);
    assert_eq!(table.read(hash(1), 108), 10);
    for number in 0..32 {
        table.count(hash(1), 108, Some(hash(number)));
        assert_eq!(table.read(hash(1), 108), (number + 1).max(10));
    }
}

#[test]
fn nearly_as_many_keys_as_promised_are_kept_apart() {
    for (definition, max_keys) in [
        (EVENTS, 1),
        (EVENTS, 100),
        (EVENTS, 10_000),
        (EVENTS, 65_536),
        (DISTINCT, 12),
        (DISTINCT, 2_048),
    ] {
        let definition = CounterDefinition {
            max_keys,
            ..definition
        };
        let mut table = Table::new(&definition, false);
        for number in 0..u64::from(max_keys) {
            table.count(hash(number), 0, definition.is_distinct.then_some(1));
        }
        let evicted = table.take_losses().evicted;
        let most = u64::from(max_keys) / 33;
        assert!(
            evicted <= most,
            "{evicted} of {max_keys}, distinct: {}",
            definition.is_distinct
        );
    }
}
