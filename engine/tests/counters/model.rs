//! Counters that forget nothing, and hashes for tests.

use riskgate_engine::counters::{CounterDefinition, SLICES};
use std::collections::BTreeMap;

pub(crate) const EVENTS: CounterDefinition = CounterDefinition {
    identity: [7; 16],
    window_ms: 8_000,
    is_distinct: false,
    max_keys: 1_000,
};

pub(crate) const DISTINCT: CounterDefinition = CounterDefinition {
    identity: [8; 16],
    is_distinct: true,
    max_keys: 50,
    ..EVENTS
};

/// Every event, by key: its slice and value.
#[derive(Default)]
pub(crate) struct Exact(BTreeMap<u64, Vec<(u64, Option<u64>)>>);

impl Exact {
    pub(crate) fn count(&mut self, key: u64, slice: u64, value: Option<u64>) {
        self.0.entry(key).or_default().push((slice, value));
    }

    pub(crate) fn read(&self, key: u64, slice: u64) -> u64 {
        let events = self.0.get(&key).into_iter().flatten();
        let counted = events.filter(|(held, _)| *held <= slice && slice - held < SLICES);
        let mut values: Vec<u64> = Vec::new();
        let mut events = 0;
        for (_, value) in counted {
            events += 1;
            values.extend(value);
        }
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            events
        } else {
            values.len() as u64
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }
}

/// A number's hash: SplitMix64, which maps no two numbers to one.
pub(crate) fn hash(number: u64) -> u64 {
    let state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Whether a number of different values is told as it is up to 32, and near enough beyond.
pub(crate) fn is_close(found: u64, exact: u64) -> bool {
    let most = if exact <= 32 { 0 } else { 3 + exact / 5 };
    found.abs_diff(exact) <= most
}
