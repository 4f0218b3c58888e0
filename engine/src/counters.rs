//! Counters: how often each of their keys was seen in a sliding window, or with how many different values.
//!
//! The engine says what is counted and what a rule reads; where the counts are kept is a [`CounterStore`]'s business. A
//! command line keeps them exactly, a proxy in a fixed amount of memory.

mod counts;
mod distinct;
pub(crate) mod keys;
mod pending;
mod registers;
mod section;
mod sides;
mod sketch;
mod slices;
mod table;
mod values;

pub use pending::Pending;
pub(crate) use pending::PendingCount;
pub use section::{
    Counter, MAX_COUNTERS, MAX_NAME_LEN, MAX_PARTS, MAX_REQUEST_ATOMS, MAX_WINDOW_MS,
    MIN_WINDOW_MS, NO_ATTRIBUTE, write,
};
pub(crate) use section::{Counters, Targets, count};
pub(crate) use sides::Ways;
pub use table::{BLOCK_LEN_MAX, ForeignBlock, Losses, Table};

/// How many keys or distinct values of one request are counted; the rest of its combinations is left out.
pub const MAX_COMBINATIONS: usize = 16;

/// All counters of a ruleset together take no more memory, in bytes.
pub const MAX_MEMORY: u64 = 128 << 20;

/// How many keys a counter can be told to keep apart.
#[must_use]
pub fn most_keys(is_distinct: bool) -> u32 {
    if is_distinct { 8_192 } else { 262_144 }
}

/// Index of a counter of a ruleset.
pub type CounterIndex = u32;

/// A window consists of so many slices.
pub const SLICES: u64 = 8;

/// Where counts are kept.
///
/// A slice is an eighth of a counter's window long and begins at a multiple of that since the Unix epoch; `slice` is the
/// number of the current one (see [`CounterDefinition::slice_at`]). A wall clock can be set back, so that `slice` may be
/// lower than it was.
pub trait CounterStore {
    /// Notes one event of a key; `value` is the hash of the distinct value, and given if the counter is `distinct`.
    fn count(&mut self, counter: CounterIndex, key: u64, slice: u64, value: Option<u64>);

    /// What was counted for a key in `slice` and the seven before it: events, or different values.
    fn read(&mut self, counter: CounterIndex, key: u64, slice: u64) -> u64;

    /// Secret of the node. Keys and values are hashed with it (see [`hash`]), so that no client can choose values that
    /// collide.
    fn hash_key(&self) -> &[u8; 32];
}

/// What a store has to know of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterDefinition {
    /// Hash of all that says what is counted: the attributes of the key and of the distinct value with their transforms,
    /// the condition, the window and the number of keys. Counters of one ruleset differ in it. A store keeps its counts
    /// over a swap of rulesets where it is unchanged.
    pub identity: [u8; 16],
    /// Length of the window, a multiple of [`SLICES`].
    pub window_ms: u32,
    /// Whether it counts different values instead of events.
    pub is_distinct: bool,
    /// How many keys are kept apart.
    pub max_keys: u32,
}

impl CounterDefinition {
    /// The number of the slice at a time since the Unix epoch; what lies before the epoch is in slice 0.
    #[must_use]
    pub fn slice_at(&self, time_us: i64) -> u64 {
        let slice_us = (u64::from(self.window_ms) * 1_000 / SLICES).max(1);
        u64::try_from(time_us).unwrap_or_default() / slice_us
    }

    /// How much memory a proxy's worker takes for it.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        Table::memory_bytes(self)
    }
}

/// The hash of a key or of a distinct value: the first 8 bytes, as a little-endian number, of BLAKE3 keyed with the
/// store's secret over each part with its length before it, a little-endian `u32`.
pub fn hash<'a>(hash_key: &[u8; 32], parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = blake3::Hasher::new_keyed(hash_key);
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hasher.update(&length.to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(window_ms: u32) -> CounterDefinition {
        CounterDefinition {
            identity: [0; 16],
            window_ms,
            is_distinct: false,
            max_keys: 1,
        }
    }

    #[test]
    fn slices_are_aligned_to_the_epoch() {
        let cases = [
            (10_000, -1, 0),
            (10_000, 0, 0),
            (10_000, 1_249_999, 0),
            (10_000, 1_250_000, 1),
            (10_000, 10_000_000, 8),
            (1_000, 1_795_000_000_124_999, 14_360_000_000),
            (1_000, 1_795_000_000_125_000, 14_360_000_001),
            (86_400_000, i64::MAX, 854_015_929),
        ];
        for (window_ms, time_us, expected) in cases {
            let slice = definition(window_ms).slice_at(time_us);
            assert_eq!(slice, expected, "{window_ms} ms at {time_us}");
        }
    }

    #[test]
    fn parts_keep_their_borders_and_the_key_matters() {
        let parts: [&[&[u8]]; 5] = [
            &[b"ab", b"c"],
            &[b"a", b"bc"],
            &[b"abc"],
            &[b"abc", b""],
            &[],
        ];
        let hashes = parts.map(|parts| hash(&[1; 32], parts.iter().copied()));
        for (index, one) in hashes.iter().enumerate() {
            assert!(!hashes[index + 1..].contains(one));
        }
        assert_ne!(hash(&[2; 32], [b"abc".as_slice()]), hashes[2]);
    }
}
