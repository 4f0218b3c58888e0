//! More keys than there is room for.

use crate::model::{DISTINCT, EVENTS, hash};
use riskgate_engine::counters::{CounterDefinition, Table};

const VICTIM: u64 = 0xfeed_beef_0123_4567;

fn table(definition: &CounterDefinition, max_keys: u32) -> Table {
    Table::new(
        &CounterDefinition {
            max_keys,
            ..*definition
        },
        false,
    )
}

#[test]
fn a_flood_of_keys_resets_nothing_and_adds_little() {
    // A sketch has 16 columns in each of the 4 shards, so that a cell stands for so many keys.
    const KEYS_OF_A_CELL: u64 = 100_000 / 64;
    let mut table = table(&EVENTS, 1_000);
    for _ in 0..40 {
        table.count(VICTIM, 5, None);
    }
    for number in 0..100_000 {
        table.count(hash(number), 6, None);
    }
    assert!(table.take_losses().evicted > 98_000);
    let after = table.read(VICTIM, 6);
    assert!((40..40 + KEYS_OF_A_CELL / 10).contains(&after), "{after}");
    table.count(VICTIM, 6, None);
    assert_eq!(table.read(VICTIM, 6), after + 1);
    let later = table.read(VICTIM, 13);
    assert_eq!(later, after - 39, "what was counted in slice 5 is over");
}

#[test]
fn keys_that_come_again_and_again_through_a_flood_are_kept_apart() {
    let mut table = table(&EVENTS, 1_000);
    let regulars: Vec<u64> = (0..20).map(|number| hash(1_000_000 + number)).collect();
    for number in 0..40_000 {
        table.count(hash(number), 5, None);
        if number % 100 == 0 {
            regulars.iter().for_each(|key| table.count(*key, 5, None));
        }
    }
    // Those seen last stay, so nothing but their first entry came from the sketch.
    let exact = regulars.iter().filter(|key| table.read(**key, 5) == 400);
    assert!(exact.count() >= 18);
}

#[test]
fn a_flood_of_keys_does_not_hide_values() {
    for values in [5, 31, 400] {
        let mut table = table(&DISTINCT, 8);
        for value in 0..values {
            table.count(VICTIM, 5, Some(hash(value)));
        }
        let before = table.read(VICTIM, 5);
        for number in 0..100 {
            table.count(hash(number), 6, Some(1));
        }
        let after = table.read(VICTIM, 6);
        assert!((before..before + 10).contains(&after), "{before}, {after}");
        table.count(VICTIM, 6, Some(hash(values)));
        assert_eq!(table.read(VICTIM, 6), after + 1);
        let later = table.read(VICTIM, 13);
        assert_eq!(
            later,
            after + 1 - before,
            "what was counted in slice 5 is over"
        );
        assert_eq!(table.read(VICTIM, 14), 0);
    }
}

#[test]
fn many_keys_with_many_values_take_turns() {
    let mut table = table(&DISTINCT, 8);
    for key in 0..12 {
        for value in 0..200 {
            table.count(hash(key), 5, Some(hash(value)));
        }
    }
    for key in 0..12 {
        let found = table.read(hash(key), 5);
        assert!((150..=260).contains(&found), "key {key}: {found}");
    }
}
