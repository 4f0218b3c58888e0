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
    /// The slices of a window, each in the place of its number modulo their count.
    slices: [Slice; SLICES as usize],
    /// Of different values, the slice that each was last seen in.
    values: HashMap<u64, u64>,
    /// So many were left when the last were forgotten.
    kept: usize,
}

/// Events of a slice; of different values, how many were last seen in it.
#[derive(Debug, Default, Clone, Copy)]
struct Slice {
    number: u64,
    count: u64,
}

/// Keys below which nothing is forgotten.
const FEW: usize = 1_024;
/// Values of a key below which none is forgotten.
const FEW_VALUES: usize = 16;

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
        if value.is_some_and(|value| !self.see(value, slice)) {
            return;
        }
        // What lies a whole window before the last event is in no window any more.
        if let Some(own) = self.slice(slice).filter(|own| own.number <= slice) {
            if own.number < slice {
                *own = Slice {
                    number: slice,
                    count: 0,
                };
            }
            own.count += 1;
        }
    }

    /// Notes a value, which no longer counts where it was seen before. Tells whether it has not been seen as late as this.
    fn see(&mut self, value: u64, slice: u64) -> bool {
        let last = self.values.get(&value).copied();
        if last.is_some_and(|last| last >= slice) {
            return false;
        }
        self.values.insert(value, slice);
        if let Some(last) = last
            && let Some(own) = self.slice(last).filter(|own| own.number == last)
        {
            own.count = own.count.saturating_sub(1);
        }
        self.forget_values(slice);
        true
    }

    fn slice(&mut self, number: u64) -> Option<&mut Slice> {
        let place = usize::try_from(number % SLICES).unwrap_or_default();
        self.slices.get_mut(place)
    }

    /// Forgets the values that are in no window any more, each time that twice as many are there as were left.
    fn forget_values(&mut self, slice: u64) {
        if self.values.len() >= FEW_VALUES.max(2 * self.kept) {
            self.values
                .retain(|_, last| slice.saturating_sub(*last) < SLICES);
            self.kept = self.values.len();
        }
    }

    fn read(&self, slice: u64) -> u64 {
        let slices = self.slices.iter();
        let within = slices.filter(|own| is_within(own.number, slice));
        within.map(|own| own.count).sum()
    }

    fn is_within(&self, slice: u64) -> bool {
        self.slices.iter().any(|own| is_within(own.number, slice))
    }
}

/// Whether a slice is among those that are read at the time of `current`.
fn is_within(slice: u64, current: u64) -> bool {
    slice <= current && current - slice < SLICES
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
    fn values_are_counted_as_by_a_list_of_all_of_them() {
        let (mut store, mut all) = (ExactStore::default(), Vec::new());
        let mut random = 1_u64;
        for slice in (0..4_000).map(|event| event / 7) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = random >> 58;
            store.count(0, 1, slice, Some(value));
            all.push((slice, value));
            let within = all.iter().filter(|(seen, _)| is_within(*seen, slice));
            let different: HashSet<u64> = within.map(|(_, value)| *value).collect();
            assert_eq!(store.read(0, 1, slice), different.len() as u64, "{slice}");
        }
    }

    #[test]
    fn a_key_that_is_always_in_use_keeps_no_old_values() {
        let mut store = ExactStore::default();
        for event in 0..100_000 {
            store.count(0, 1, event / 10, Some(event));
            assert!(store.counters[&0].by_hash[&1].values.len() <= 2 * 80 + 10);
        }
        assert_eq!(store.read(0, 1, 9_999), 80);
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
