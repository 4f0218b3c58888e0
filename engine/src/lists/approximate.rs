//! A set of strings by approximation: a binary fuse filter (Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than
//! Xor Filters", 2022).
//!
//! The filter is an array of fingerprints, cut into segments of one length. The hash of a string names a place in each of
//! three neighbouring segments, and a fingerprint; the filter holds a string if the fingerprints at its three places sum
//! up to its own by XOR. So every string that the filter was made from is held, and any other with a chance of one in
//! [`FALSE_POSITIVES_ONE_IN`].
//!
//! Layout: seed (u64), binary logarithm of a segment's length (u32), fingerprints (count, u16 each). The hash is XXH3,
//! seeded.

mod peeling;

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Bytes, Cursor, Record, record, write_array};

/// Of so many strings that a list by approximation was not made from, it holds about one.
pub const FALSE_POSITIVES_ONE_IN: u32 = 1 << u16::BITS;

/// Larger segments save nothing more.
const MAX_SEGMENT_BITS: u32 = 18;

/// What a place in the filter holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fingerprint(u16);

impl Fingerprint {
    fn of(hash: u64) -> Self {
        Fingerprint((hash ^ hash >> 32) as u16)
    }

    fn xor(self, other: Self) -> Self {
        Fingerprint(self.0 ^ other.0)
    }
}

impl Record for Fingerprint {
    const LEN: usize = 2;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes
            .first_chunk()
            .map(|bytes| Fingerprint(u16::from_le_bytes(*bytes)))
    }
}

/// Where the places of a hash are.
#[derive(Debug, Clone, Copy)]
struct Shape {
    segment_bits: u32,
    /// Zero, or at least three whole segments.
    place_count: u32,
}

impl Shape {
    fn segment_len(self) -> u32 {
        1 << self.segment_bits
    }

    fn is_whole(self) -> bool {
        self.segment_bits <= MAX_SEGMENT_BITS
            && self.place_count.is_multiple_of(self.segment_len())
            && (self.place_count == 0 || self.place_count / self.segment_len() >= 3)
    }

    /// Three places in neighbouring segments, all inside of the array unless that is empty: the first lies before the
    /// last two segments, and the others stay in their segments whatever is done to the lower bits.
    fn places(self, hash: u64) -> [u32; 3] {
        let firsts = self.place_count.saturating_sub(2 * self.segment_len());
        let scaled = (hash >> 32) * u64::from(firsts);
        let first = (scaled >> 32) as u32;
        let mask = self.segment_len() - 1;
        let second = first + self.segment_len();
        let third = second + self.segment_len();
        [
            first,
            second ^ ((hash >> 18) as u32 & mask),
            third ^ (hash as u32 & mask),
        ]
    }
}

pub(super) fn write(values: &[Vec<u8>], seed: u64, out: &mut Vec<u8>) {
    let shape = peeling::shape_for(values.len());
    let (seed, fingerprints) = peeling::fill(shape, values, seed);
    out.extend_from_slice(&seed.to_le_bytes());
    shape.segment_bits.write(out);
    write_array(&fingerprints, out);
}

/// What a filter of so many strings takes.
pub(super) fn len(count: usize) -> usize {
    let places = peeling::shape_for(count).place_count as usize;
    SEED_AND_LENGTHS_LEN + places * Fingerprint::LEN
}

/// Before the fingerprints.
const SEED_AND_LENGTHS_LEN: usize = 16;

/// A filter, checked.
#[derive(Debug, Clone)]
pub(crate) struct FuseFilter {
    bytes: Bytes,
    seed: u64,
    shape: Shape,
    fingerprints: ArrayRange,
}

impl FuseFilter {
    pub(super) fn read(bytes: &Bytes) -> Result<FuseFilter, BundleError> {
        let what = "a list";
        let mut cursor = Cursor::new(bytes, what);
        let seed = cursor.u64()?;
        let segment_bits = cursor.u32()?;
        let fingerprints = ArrayRange::read::<Fingerprint>(bytes, &mut cursor)?;
        cursor.finish()?;
        let shape = Shape {
            segment_bits,
            place_count: fingerprints.len(),
        };
        if !shape.is_whole() {
            return Err(BundleError::BadValue { what });
        }
        Ok(FuseFilter {
            bytes: bytes.clone(),
            seed,
            shape,
            fingerprints,
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn contains(&self, value: &[u8]) -> bool {
        let hash = hash(value, self.seed);
        let fingerprints = self.fingerprints.view(&self.bytes);
        let [a, b, c] = self
            .shape
            .places(hash)
            .map(|place| record::<Fingerprint>(fingerprints, place));
        match (a, b, c) {
            (Some(a), Some(b), Some(c)) => a.xor(b).xor(c) == Fingerprint::of(hash),
            // Only of an empty filter.
            _ => false,
        }
    }
}

fn hash(value: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(value, seed)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn numbered(count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|index| format!("v{index}").into_bytes())
            .collect()
    }

    fn filter_bytes(values: &[Vec<u8>], seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write(values, seed, &mut out);
        out
    }

    fn read(bytes: &[u8]) -> Result<FuseFilter, BundleError> {
        FuseFilter::read(&bytes.into())
    }

    #[test]
    fn every_value_is_held() {
        for count in (1..100).chain([1_000, 1_023, 1_024, 1_025, 30_000]) {
            for seed in [0, 1, u64::MAX] {
                let values = numbered(count);
                let bytes = filter_bytes(&values, seed);
                assert_eq!(bytes.len(), len(count));
                let filter = read(&bytes).unwrap();
                assert!(
                    values.iter().all(|value| filter.contains(value)),
                    "{count} values, seed {seed}"
                );
            }
        }
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        let filter = read(&filter_bytes(&[], 7)).unwrap();
        assert!(numbered(1000).iter().all(|value| !filter.contains(value)));
        assert!(!filter.contains(b""));
    }

    #[test]
    fn neither_order_nor_repetition_matters() {
        let mut values = numbered(50);
        values.extend(numbered(50));
        let filter = read(&filter_bytes(&values, 7)).unwrap();
        assert!(values.iter().all(|value| filter.contains(value)));
        let reversed: Vec<Vec<u8>> = values.iter().rev().cloned().collect();
        assert_eq!(filter_bytes(&values, 7), filter_bytes(&reversed, 7));
    }

    /// Expected are 46 of three million; half of that and double are more than four standard deviations away.
    #[test]
    fn other_strings_are_held_as_rarely_as_stated() {
        let filter = read(&filter_bytes(&numbered(1_000), 0x5eed)).unwrap();
        let tried = 3_000_000_u32;
        let held = (0..tried)
            .filter(|index| filter.contains(&index.to_be_bytes()))
            .count();
        let expected = (tried / FALSE_POSITIVES_ONE_IN) as usize;
        assert!(
            (expected / 2..expected * 2).contains(&held),
            "{held} of {tried}, expected {expected}"
        );
    }

    /// What one seed mistakes for a value, another tells from it.
    #[test]
    fn the_seed_decides_what_is_taken_for_a_value() {
        let values = numbered(1_000);
        let one = read(&filter_bytes(&values, 1)).unwrap();
        let other = read(&filter_bytes(&values, 1 << 40)).unwrap();
        let held = (0..1_000_000_u32)
            .map(u32::to_be_bytes)
            .filter(|value| one.contains(value));
        let held: Vec<[u8; 4]> = held.collect();
        assert!(!held.is_empty());
        assert!(held.iter().all(|value| !other.contains(value)));
    }

    #[test]
    fn a_million_values_would_take_less_than_three_million_bytes() {
        for count in [1_000_000, 1_000_001, 2_000_000] {
            let length = 2 * peeling::shape_for(count).place_count as usize;
            assert!(length * 100 < count * 230, "{length} for {count}");
        }
    }

    #[test]
    fn shapes_that_leave_the_array_are_refused() {
        let good = filter_bytes(&numbered(40), 1);
        assert_eq!(read(&good).unwrap().shape.place_count, 96);
        for bits in [0, 1, 5, 17, 18, 19, 31, 32, 0xff] {
            let mut altered = good.clone();
            altered[8] = bits;
            let filter = read(&altered);
            if let Ok(FuseFilter { shape, .. }) = &filter {
                let places = [0, u64::MAX, 1 << 63, 0xffff_ffff].map(|hash| shape.places(hash));
                let last = places.iter().flatten().max().unwrap();
                assert!(*last < shape.place_count, "{bits}");
            }
            // Three segments of 32 places.
            assert_eq!(filter.is_ok(), bits <= 5, "{bits} bits");
        }
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length}");
        }
        let longer = [good, alloc::vec![0; 2]].concat();
        assert!(read(&longer).is_err());
    }
}
