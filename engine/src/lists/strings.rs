//! A set of strings: a hash table whose entries lead to the strings themselves, which are compared.
//!
//! Layout: bucket starts (count, u32 each), entries (count, u32 each), blob length and blob. The strings stand in the
//! blob one behind the other in the order of their entries. An entry is the offset of its string (the lower 25 bits)
//! and a fingerprint (the upper 7), so that a string that is not in the set is mostly told from those in its bucket
//! without a look at them. Bucket and fingerprint come from the string's XXH3 hash; the entries of a bucket ascend by
//! fingerprint, then by string, so a bucket of any size is searched by halves.

use alloc::vec::Vec;
use core::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use crate::bundle::{BundleError, MAX_BUNDLE_LEN};
use crate::codec::{ArrayRange, Bytes, Cursor, record, records, slice, write_array, write_len};

/// So many of the upper bits are fingerprint.
const FINGERPRINT_BITS: u32 = 7;
const OFFSET_BITS: u32 = u32::BITS - FINGERPRINT_BITS;
const OFFSET_MASK: u32 = (1 << OFFSET_BITS) - 1;
/// A starts array of a quarter of the entries' size, and buckets whose entries stand in one cache line.
const VALUES_PER_BUCKET: usize = 4;

const _: () = assert!(MAX_BUNDLE_LEN <= 1 << OFFSET_BITS);

/// Where a string belongs. Entries stand in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    bucket: u32,
    fingerprint: u32,
}

impl Place {
    /// The bucket depends on the hash's upper half and the fingerprint on its lowest bits, so neither tells the other.
    fn of(value: &[u8], bucket_count: u32) -> Place {
        let hash = xxh3_64(value);
        let scaled = (hash >> 32) * u64::from(bucket_count);
        Place {
            bucket: (scaled >> 32) as u32,
            fingerprint: (hash as u32) & ((1 << FINGERPRINT_BITS) - 1),
        }
    }
}

pub(super) fn write(values: &[Vec<u8>], out: &mut Vec<u8>) {
    let buckets = values.len().div_ceil(VALUES_PER_BUCKET).max(1);
    let bucket_count = u32::try_from(buckets).unwrap_or(u32::MAX);
    let mut order: Vec<(Place, &Vec<u8>)> = values
        .iter()
        .map(|value| (Place::of(value, bucket_count), value))
        .collect();
    order.sort_unstable();
    order.dedup();
    let mut starts: Vec<u32> = Vec::with_capacity(buckets + 1);
    let mut entries: Vec<u32> = Vec::with_capacity(order.len());
    let mut offset = 0;
    for (index, (place, value)) in (0_u32..).zip(&order) {
        starts.resize(starts.len().max(place.bucket as usize + 1), index);
        // Past the mask the section is longer than any bundle, and refused for that.
        let low = u32::try_from(offset).unwrap_or(u32::MAX) & OFFSET_MASK;
        entries.push(place.fingerprint << OFFSET_BITS | low);
        offset += value.len();
    }
    starts.resize(buckets + 1, u32::try_from(order.len()).unwrap_or(u32::MAX));
    out.reserve(12 + 4 * (starts.len() + entries.len()) + offset);
    write_array(&starts, out);
    write_array(&entries, out);
    write_len(offset, out);
    for (_, value) in &order {
        out.extend_from_slice(value);
    }
}

/// A set of strings, checked.
#[derive(Debug, Clone)]
pub(crate) struct StringSet {
    bytes: Bytes,
    starts: ArrayRange,
    entries: ArrayRange,
    blob_start: usize,
}

impl StringSet {
    pub(super) fn read(bytes: &Bytes) -> Result<StringSet, BundleError> {
        let what = "a list";
        let mut cursor = Cursor::new(bytes, what);
        let starts = ArrayRange::read::<u32>(bytes, &mut cursor)?;
        let entries = ArrayRange::read::<u32>(bytes, &mut cursor)?;
        let blob_len = cursor.u32()?;
        let blob_start = bytes.len() - cursor.len();
        cursor.take(blob_len as usize)?;
        cursor.finish()?;
        let set = StringSet {
            bytes: bytes.clone(),
            starts,
            entries,
            blob_start,
        };
        let table = set.table();
        if !table.starts_fit() || !table.offsets_fit(blob_len) {
            return Err(BundleError::IndexOutOfRange { what });
        }
        if !table.buckets_ascend() {
            return Err(BundleError::BadValue { what });
        }
        Ok(set)
    }

    pub(super) fn contains(&self, value: &[u8]) -> bool {
        self.table().contains(value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let table = self.table();
        (0..table.entry_count).map(move |index| table.value(index))
    }

    fn table(&self) -> Table<'_> {
        let bytes: &[u8] = &self.bytes;
        Table {
            starts: self.starts.view(bytes),
            bucket_count: self.starts.len().saturating_sub(1),
            entries: self.entries.view(bytes),
            entry_count: self.entries.len(),
            blob: bytes.get(self.blob_start..).unwrap_or_default(),
        }
    }
}

/// The arrays of a set.
#[derive(Debug, Clone, Copy)]
struct Table<'a> {
    starts: &'a [u8],
    bucket_count: u32,
    entries: &'a [u8],
    entry_count: u32,
    blob: &'a [u8],
}

impl<'a> Table<'a> {
    fn contains(&self, value: &[u8]) -> bool {
        let Place {
            bucket,
            fingerprint,
        } = Place::of(value, self.bucket_count);
        let start = |bucket| record::<u32>(self.starts, bucket).unwrap_or_default();
        let (mut low, mut high) = (start(bucket), start(bucket + 1));
        while low < high {
            let middle = low + (high - low) / 2;
            let by_fingerprint = self.fingerprint(middle).cmp(&fingerprint);
            match by_fingerprint.then_with(|| self.value(middle).cmp(value)) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return true,
                Ordering::Greater => high = middle,
            }
        }
        false
    }

    fn entry(&self, index: u32) -> u32 {
        record(self.entries, index).unwrap_or_default()
    }

    fn fingerprint(&self, index: u32) -> u32 {
        self.entry(index) >> OFFSET_BITS
    }

    fn offset(&self, index: u32) -> u32 {
        self.entry(index) & OFFSET_MASK
    }

    /// Up to where the next one begins.
    fn value(&self, index: u32) -> &'a [u8] {
        let end = match index + 1 {
            next if next < self.entry_count => self.offset(next) as usize,
            _ => self.blob.len(),
        };
        self.blob
            .get(self.offset(index) as usize..end)
            .unwrap_or_default()
    }

    /// Buckets stand one behind the other and leave no entry out.
    fn starts_fit(&self) -> bool {
        self.bucket_count > 0
            && record::<u32>(self.starts, 0) == Some(0)
            && records::<u32>(self.starts).is_sorted()
            && record::<u32>(self.starts, self.bucket_count) == Some(self.entry_count)
    }

    /// Strings stand one behind the other and leave nothing of the blob out.
    fn offsets_fit(&self, blob_len: u32) -> bool {
        let Some(last) = self.entry_count.checked_sub(1) else {
            return blob_len == 0;
        };
        let offsets = records::<u32>(self.entries).map(|entry| entry & OFFSET_MASK);
        self.offset(0) == 0 && self.offset(last) <= blob_len && offsets.is_sorted()
    }

    /// What lookups search by halves is in order.
    fn buckets_ascend(&self) -> bool {
        let ends = records::<u32>(self.starts).skip(1);
        records::<u32>(self.starts)
            .zip(ends)
            .all(|(start, end)| self.ascends(start, end))
    }

    fn ascends(&self, start: u32, end: u32) -> bool {
        let bucket = slice::<u32>(self.entries, start, end.saturating_sub(start));
        let fingerprints = || records::<u32>(bucket).map(|entry| entry >> OFFSET_BITS);
        fingerprints().is_sorted_by(|a, b| a < b) || self.ascends_by_value(start, end)
    }

    /// Strings are compared only where fingerprints are the same, which is seldom.
    #[cold]
    fn ascends_by_value(&self, start: u32, end: u32) -> bool {
        (start + 1..end).all(|index| {
            let by_fingerprint = self.fingerprint(index - 1).cmp(&self.fingerprint(index));
            by_fingerprint
                .then_with(|| self.value(index - 1).cmp(self.value(index)))
                .is_lt()
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;

    fn set_of(values: &[Vec<u8>]) -> StringSet {
        let mut out = Vec::new();
        write(values, &mut out);
        StringSet::read(&out.as_slice().into()).unwrap()
    }

    fn numbered() -> impl Iterator<Item = Vec<u8>> {
        (0..).map(|index| format!("v{index}").into_bytes())
    }

    #[test]
    fn a_set_holds_its_values_and_nothing_else() {
        for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 500] {
            let values: Vec<Vec<u8>> = numbered().take(count).collect();
            let set = set_of(&values);
            assert!(
                values.iter().all(|value| set.contains(value)),
                "{count} values"
            );
            for other in ["", "v", "V0", "v0 ", "v501", "v00"] {
                assert!(!set.contains(other.as_bytes()), "{other:?} of {count}");
            }
        }
    }

    #[test]
    fn values_are_any_bytes() {
        let values = [
            b"".to_vec(),
            b"\0".to_vec(),
            b"\xff\xfe".to_vec(),
            b"a\nb".to_vec(),
            vec![b'x'; 4096],
        ];
        let set = set_of(&values);
        assert!(values.iter().all(|value| set.contains(value)));
        assert!(!set.contains(b"\0\0") && !set.contains(&[b'x'; 4095]));
    }

    #[test]
    fn neither_order_nor_repetition_shows() {
        let bytes = |values: &[&str]| {
            let values: Vec<Vec<u8>> = values.iter().map(|text| text.as_bytes().to_vec()).collect();
            let mut out = Vec::new();
            write(&values, &mut out);
            out
        };
        assert_eq!(bytes(&["a", "b", "c"]), bytes(&["c", "b", "a"]));
        assert_eq!(bytes(&["a", "b", "c"]), bytes(&["c", "b", "c", "a"]));
    }

    #[test]
    fn a_value_takes_its_length_and_five_bytes() {
        let values: Vec<Vec<u8>> = numbered().take(4000).collect();
        let mut out = Vec::new();
        write(&values, &mut out);
        let lengths: usize = values.iter().map(Vec::len).sum();
        assert_eq!(out.len(), lengths + 5 * values.len() + 16);
    }

    /// Whoever can put values into a list can make them share a bucket and a fingerprint.
    #[test]
    fn values_that_share_a_place_are_found() {
        let bucket_count = 50;
        let place = Place::of(b"v0", bucket_count);
        let shared = numbered().filter(|value| Place::of(value, bucket_count) == place);
        let values: Vec<Vec<u8>> = shared.take(201).collect();
        let (left_out, values) = values.split_last().unwrap();
        let set = set_of(values);
        assert_eq!(set.table().bucket_count, bucket_count);
        assert!(values.iter().all(|value| set.contains(value)));
        assert!(!set.contains(left_out));
    }

    /// Two values of one bucket, with one fingerprint or with two.
    fn neighbours(same_fingerprint: bool) -> Vec<Vec<u8>> {
        let first = Place::of(b"v0", 1);
        let is_wanted = |value: &Vec<u8>| {
            (Place::of(value, 1) == first) == same_fingerprint && value.len() == 2
        };
        let alike = (0..=u8::MAX).map(|byte| vec![b'v', byte]);
        let other = alike.filter(is_wanted).find(|value| value != b"v0");
        vec![b"v0".to_vec(), other.unwrap()]
    }

    #[test]
    fn a_bucket_out_of_order_is_refused() {
        for same_fingerprint in [false, true] {
            let mut out = Vec::new();
            write(&neighbours(same_fingerprint), &mut out);
            let read = |bytes: &[u8]| StringSet::read(&bytes.into()).map(|_| ());
            assert_eq!(read(&out), Ok(()));
            let refused = Err(BundleError::BadValue { what: "a list" });
            // Behind the two starts and the entries' count; the strings, of two bytes each, are at the end.
            let (first, second) = (4 + 8 + 4, 4 + 8 + 8);
            let blob = out.len() - 4;
            let mut swapped = out.clone();
            if same_fingerprint {
                swapped[blob..].rotate_left(2);
            } else {
                swapped.swap(first + 3, second + 3);
            }
            assert_eq!(read(&swapped), refused, "{same_fingerprint}");
            let mut twice = out;
            twice[second + 3] = twice[first + 3];
            twice.copy_within(blob..blob + 2, blob + 2);
            assert_eq!(read(&twice), refused, "{same_fingerprint}");
        }
    }

    #[test]
    fn strings_that_overlap_or_leave_a_gap_are_refused() {
        let mut out = Vec::new();
        write(&neighbours(false), &mut out);
        let (first, second) = (4 + 8 + 4, 4 + 8 + 8);
        for (at, offset) in [(first, 1), (first, 3), (second, 5), (second, 0xff)] {
            let mut altered = out.clone();
            altered[at] = offset;
            assert_eq!(
                StringSet::read(&altered.as_slice().into()).map(|_| ()),
                Err(BundleError::IndexOutOfRange { what: "a list" }),
                "{offset} at {at}"
            );
        }
    }

    #[test]
    fn starts_that_leave_out_entries_are_refused() {
        let mut out = Vec::new();
        write(&neighbours(false), &mut out);
        for (at, start) in [(4, 1), (8, 1), (8, 3)] {
            let mut altered = out.clone();
            altered[at] = start;
            assert!(StringSet::read(&altered.as_slice().into()).is_err());
        }
        for length in 0..out.len() {
            assert!(StringSet::read(&out[..length].into()).is_err(), "{length}");
        }
        out.push(0);
        assert!(StringSet::read(&out.as_slice().into()).is_err());
    }
}
