//! Bytes that are no block, or say what cannot be.

use crate::model::{DISTINCT, EVENTS, hash};
use proptest::prelude::*;
use riskgate_engine::counters::{BLOCK_LEN_MAX, CounterDefinition, ForeignBlock, Table};

/// A table with a key seen in slice 100, and its block.
fn counted(definition: &CounterDefinition, keys: u64) -> (Table, Vec<u8>) {
    let mut table = Table::new(
        &CounterDefinition {
            max_keys: 4,
            ..*definition
        },
        true,
    );
    for key in 1..=keys {
        for value in 0..40 {
            table.count(
                hash(key),
                93 + value % 8,
                definition.is_distinct.then_some(hash(value)),
            );
        }
    }
    let mut block = Vec::new();
    table.write(0, 100, &mut block);
    (table, block)
}

#[test]
fn a_full_block_is_within_the_limit() {
    for definition in [EVENTS, DISTINCT] {
        let definition = CounterDefinition {
            max_keys: 200,
            ..definition
        };
        let mut table = Table::new(&definition, true);
        for key in 0..2_000 {
            for value in 0..60 {
                table.count(
                    hash(key),
                    93 + value % 8,
                    definition.is_distinct.then_some(hash(value)),
                );
            }
        }
        let mut longest = 0;
        for number in 0..table.block_count() {
            let mut block = Vec::new();
            table.write(number, 100, &mut block);
            longest = longest.max(block.len());
        }
        assert!(
            (BLOCK_LEN_MAX / 2..=BLOCK_LEN_MAX).contains(&longest),
            "{longest}"
        );
    }
}

#[test]
fn a_block_of_another_counter_or_layout_or_a_part_of_one_is_refused() {
    for definition in [EVENTS, DISTINCT] {
        let (mut table, block) = counted(&definition, 3);
        assert_eq!(table.join(0, &block, 100), Ok(()));
        let before = table.read(hash(1), 100);
        for place in 0..20 {
            let mut other = block.clone();
            other[place] ^= 1;
            assert_eq!(
                table.join(0, &other, 100),
                Err(ForeignBlock),
                "byte {place}"
            );
        }
        for cut in 0..block.len() {
            assert_eq!(
                table.join(0, &block[..cut], 100),
                Err(ForeignBlock),
                "cut at {cut}"
            );
        }
        let longer = [&block[..], &[0]].concat();
        assert_eq!(table.join(0, &longer, 100), Err(ForeignBlock));
        assert_eq!(
            table.join(1, &block, 100),
            Err(ForeignBlock),
            "there is no such block"
        );
        assert_eq!(table.read(hash(1), 100), before);
    }
}

#[test]
fn slices_far_from_now_are_left_out() {
    for definition in [EVENTS, DISTINCT] {
        let (_, block) = counted(&definition, 3);
        for slice in [92 - 8, 116, 1 << 31] {
            let mut table = Table::new(
                &CounterDefinition {
                    max_keys: 4,
                    ..definition
                },
                true,
            );
            assert_eq!(table.join(0, &block, slice), Ok(()));
            assert_eq!(table.read(hash(1), 100), 0, "{slice}");
        }
    }
}

/// What a key is known to have had is taken off what the sketch knows of it, and noted one by one: so that a value stands
/// there twice must not take off two and add one.
#[test]
fn a_block_in_which_a_value_stands_twice_is_refused() {
    const FIRST_VALUE: usize = 20 + 4 + 8 + 36 + 1;
    const VALUE_LEN: usize = 12;
    let definition = CounterDefinition {
        max_keys: 4,
        ..DISTINCT
    };
    let mut table = Table::new(&definition, true);
    for value in 0..20 {
        table.count(hash(1), 100, Some(hash(value)));
    }
    let mut block = Vec::new();
    table.write(0, 100, &mut block);
    let first = block[FIRST_VALUE..][..8].to_vec();
    assert_eq!(first, hash(0).to_le_bytes());
    assert_eq!(table.join(0, &block, 100), Ok(()));
    block[FIRST_VALUE + VALUE_LEN..][..8].copy_from_slice(&first);
    assert_eq!(table.join(0, &block, 100), Err(ForeignBlock));
    assert_eq!(table.read(hash(1), 100), 20);
}

proptest! {
    #[test]
    fn no_bytes_stop_a_table_or_take_a_count_from_it(
        is_distinct: bool,
        changes in prop::collection::vec((20..4_000_usize, any::<u8>()), 1..30),
        tail in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let definition = if is_distinct { DISTINCT } else { EVENTS };
        let (mut table, mut block) = counted(&definition, 5);
        let before: Vec<u64> = (1..=5).map(|key| table.read(hash(key), 100)).collect();
        for (place, byte) in changes {
            let place = place % block.len();
            block[place.max(20)] = byte;
        }
        block.extend(tail);
        let _ = table.join(0, &block, 100);
        // What is forged ahead may push out the oldest slice.
        for (key, before) in (1..=5).zip(before) {
            let found = table.read(hash(key), 100);
            prop_assert!(found >= before * 3 / 4, "{} of {}", found, before);
        }
        table.write(0, 100, &mut block);
        prop_assert!(block.len() <= BLOCK_LEN_MAX);
        prop_assert_eq!(counted(&definition, 1).0.join(0, &block, 100), Ok(()));
    }
}
