//! A counter store that keeps every key and every value: exact, for command lines.

use std::collections::HashMap;

use riskgate_engine::counters::{CounterIndex, CounterStore, SLICES};

/// Counts exactly. What is out of its window is forgotten from time to time, so that long batches need no more memory
/// than what is in them at a time.
#[derive(Debug, Default)]
pub struct ExactStore {
    counters: HashMap<CounterIndex, Keys>,
}

/// The keys of one counter.
#[derive(Debug, Default)]
struct Keys {
    by_hash: HashMap<u64, Seen>,
    /// So many were left when the last were forgotten.
    kept: usize,
}

/// What was seen of one key.
#[derive(Debug, Default)]
struct Seen {
    /// Events of the slices of a window, each in the place of its number modulo their count.
    events: [Slice; SLICES as usize],
    /// Of different values, the slice that each was last seen in.
    values: HashMap<u64, u64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slice {
    number: u64,
    count: u64,
}

/// Keys below which nothing is forgotten.
const FEW: usize = 1_024;

impl CounterStore for ExactStore {
    fn count(&mut self, counter: CounterIndex, key: u64, slice: u64, value: Option<u64>) {
        let keys = self.counters.entry(counter).or_default();
        if keys.by_hash.len() >= FEW.max(2 * keys.kept) {
            keys.by_hash.retain(|_, seen| seen.is_within(slice));
            keys.kept = keys.by_hash.len();
        }
        keys.by_hash.entry(key).or_default().count(slice, value);
    }

    fn read(&mut self, counter: CounterIndex, key: u64, slice: u64) -> u64 {
        let keys = self.counters.get(&counter);
        let seen = keys.and_then(|keys| keys.by_hash.get(&key));
        seen.map_or(0, |seen| seen.read(slice))
    }

    /// Nobody attacks a command line by collisions, and the same requests should do the same each time.
    fn hash_key(&self) -> &[u8; 32] {
        b"riskgate counts, one batch alone"
    }
}

impl Seen {
    fn count(&mut self, slice: u64, value: Option<u64>) {
        if let Some(value) = value {
            let last = self.values.entry(value).or_insert(slice);
            *last = slice.max(*last);
        }
        let place = usize::try_from(slice % SLICES).unwrap_or_default();
        let own = self.events.get_mut(place);
        // What lies a whole window before the last event is in no window any more.
        if let Some(own) = own.filter(|own| own.number <= slice) {
            if own.number < slice {
                *own = Slice {
                    number: slice,
                    count: 0,
                };
            }
            own.count += 1;
        }
    }

    fn read(&self, slice: u64) -> u64 {
        if self.values.is_empty() {
            let within = self
                .events
                .iter()
                .filter(|own| is_within(own.number, slice));
            return within.map(|own| own.count).sum();
        }
        let within = self.values.values().filter(|last| is_within(**last, slice));
        within.count() as u64
    }

    fn is_within(&self, slice: u64) -> bool {
        self.events.iter().any(|own| is_within(own.number, slice))
    }
}

/// Whether a slice is among those that are read at the time of `current`.
fn is_within(slice: u64, current: u64) -> bool {
    slice <= current && current - slice < SLICES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_this_slice_and_the_seven_before() {
        let mut store = ExactStore::default();
        for slice in [10, 10, 11, 17] {
            store.count(0, 1, slice, None);
        }
        let read = |slice| (0..2).map(move |key| (key, slice));
        let found: Vec<u64> = [10, 11, 17, 18, 19, 24, 25]
            .into_iter()
            .flat_map(read)
            .map(|(key, slice)| store.read(0, key, slice))
            .collect();
        assert_eq!(found, [0, 2, 0, 3, 0, 4, 0, 2, 0, 1, 0, 1, 0, 0]);
        assert_eq!(store.read(1, 1, 17), 0);
    }

    #[test]
    fn a_value_counts_from_when_it_was_last_seen() {
        let mut store = ExactStore::default();
        for (slice, value) in [(0, 5), (1, 6), (3, 5), (3, 5)] {
            store.count(2, 9, slice, Some(value));
        }
        let found = [3, 8, 9, 10, 11].map(|slice| store.read(2, 9, slice));
        assert_eq!(found, [2, 2, 1, 1, 0]);
    }

    #[test]
    fn what_is_forgotten_is_out_of_the_window() {
        let mut store = ExactStore::default();
        for key in 0..10_000 {
            store.count(0, key, key / 100, None);
        }
        assert!(store.counters[&0].by_hash.len() <= FEW.max(2 * 800));
        for key in 0..10_000 {
            let expected = u64::from(key >= 9_200);
            assert_eq!(store.read(0, key, 99), expected, "{key}");
        }
    }
}
