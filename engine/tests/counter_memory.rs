//! A counter takes the memory that it is said to take, and none for an event once its shards have theirs.
//!
//! A test binary of its own: `allocation_counter` replaces its global allocator.

use allocation_counter::measure;
use riskgate_engine::counters::{CounterDefinition, Table};

const EVENTS: CounterDefinition = CounterDefinition {
    identity: [7; 16],
    window_ms: 8_000,
    is_distinct: false,
    max_keys: 1_000,
};

const DISTINCT: CounterDefinition = CounterDefinition {
    is_distinct: true,
    max_keys: 64,
    ..EVENTS
};

/// Far more keys than there is room for, with more values each than are kept one by one.
fn flood(table: &mut Table, seed: u64) {
    for number in 0..3_000_u64 {
        let key = (number + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for value in 0..40_u64 {
            let hash = (value + 1).wrapping_mul(0x94d0_49bb_1331_11eb);
            table.count(key, 100 + number / 1_000, Some(hash));
        }
    }
}

#[test]
fn a_full_table_takes_what_is_said_and_no_more() {
    for definition in [EVENTS, DISTINCT] {
        let mut held = None;
        let used = measure(|| {
            let mut table = Table::new(&definition, true);
            flood(&mut table, 1);
            held = Some(table);
        });
        let said = Table::memory_bytes(&definition);
        let taken = used.bytes_current as u64;
        assert!(taken <= said && taken > said * 9 / 10, "{taken} of {said}");
        assert!(
            used.bytes_max <= said + 10_000,
            "{} of {said}",
            used.bytes_max
        );
    }
}

#[test]
fn a_warm_table_takes_no_memory_for_events() {
    let mut table = Table::new(&EVENTS, true);
    flood(&mut table, 1);
    let used = measure(|| flood(&mut table, 5_000_000));
    assert_eq!(used.count_total, 0);
}
