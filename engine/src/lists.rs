//! Sections `list`: the values of named lists, one section each, so that an unchanged list need not travel again.
//!
//! Layout: type (u8, 0 strings, 1 addresses), seven zero bytes, then for addresses one set as in [`crate::prefixes`],
//! for strings a hash table: bucket starts (count, u32 each), entries (count, offset and length into the
//! blob; the values of one bucket ascend), blob length and blob. The bucket of a string is its XXH3 hash modulo the
//! number of buckets.

use alloc::vec::Vec;
use core::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64;

use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, find, record, records, slice, write_array, write_len,
};
use crate::prefixes::PrefixSet;

const STRINGS: u8 = 0;
const ADDRESSES: u8 = 1;
const HEADER_LEN: usize = 8;

/// A list of strings; one that is given twice is written once.
#[must_use]
pub fn write_strings(values: &[Vec<u8>]) -> Vec<u8> {
    let bucket_count = values.len().next_power_of_two();
    let mut order: Vec<(u32, &Vec<u8>)> = values
        .iter()
        .map(|value| (bucket_of(value, bucket_count), value))
        .collect();
    order.sort_unstable();
    order.dedup();
    let mut entries: Vec<(u32, u32)> = Vec::with_capacity(order.len());
    let mut starts = alloc::vec![0_u32; bucket_count + 1];
    let mut blob = Vec::new();
    for (bucket, value) in &order {
        let offset = u32::try_from(blob.len()).unwrap_or(u32::MAX);
        entries.push((offset, u32::try_from(value.len()).unwrap_or(u32::MAX)));
        blob.extend_from_slice(value);
        for count in starts.iter_mut().skip(*bucket as usize + 1).take(1) {
            *count += 1;
        }
    }
    let mut total = 0;
    for start in &mut starts {
        total += *start;
        *start = total;
    }
    let mut out = header(STRINGS);
    write_array(&starts, &mut out);
    write_array(&entries, &mut out);
    write_len(blob.len(), &mut out);
    out.extend_from_slice(&blob);
    out
}

/// A list of addresses, from one set.
#[must_use]
pub fn write_addresses(set: &[u8]) -> Vec<u8> {
    let mut out = header(ADDRESSES);
    out.extend_from_slice(set);
    out
}

fn header(kind: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.push(kind);
    out.resize(HEADER_LEN, 0);
    out
}

fn bucket_of(value: &[u8], bucket_count: usize) -> u32 {
    let bucket = xxh3_64(value) % (bucket_count.max(1) as u64);
    u32::try_from(bucket).unwrap_or_default()
}

/// A list, checked.
#[derive(Debug, Clone)]
pub(crate) enum List {
    Strings(StringSet),
    Addresses(PrefixSet),
}

#[derive(Debug, Clone)]
pub(crate) struct StringSet {
    bytes: Bytes,
    starts: ArrayRange,
    entries: ArrayRange,
    blob_start: usize,
}

impl List {
    pub(crate) fn read(bytes: &Bytes) -> Result<List, BundleError> {
        let what = "a list";
        let mut cursor = Cursor::new(bytes, what);
        let [kind, padding @ ..] = cursor.array::<HEADER_LEN>()?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(BundleError::NonZeroPadding { what });
        }
        match kind {
            STRINGS => StringSet::read(bytes, cursor).map(List::Strings),
            ADDRESSES => {
                PrefixSet::read(&bytes.part(HEADER_LEN, cursor.len())).map(List::Addresses)
            }
            _ => Err(BundleError::BadValue { what }),
        }
    }

    pub(crate) fn is_addresses(&self) -> bool {
        matches!(self, List::Addresses(_))
    }

    pub(crate) fn contains_bytes(&self, value: &[u8]) -> bool {
        match self {
            List::Strings(strings) => strings.contains(value),
            List::Addresses(_) => false,
        }
    }

    pub(crate) fn contains_address(&self, address: IpAddr) -> bool {
        match self {
            List::Strings(_) => false,
            List::Addresses(addresses) => addresses.contains(address),
        }
    }
}

impl StringSet {
    fn read(bytes: &Bytes, mut cursor: Cursor<'_>) -> Result<StringSet, BundleError> {
        let what = "a list";
        let starts = ArrayRange::read::<u32>(bytes, &mut cursor)?;
        let entries = ArrayRange::read::<(u32, u32)>(bytes, &mut cursor)?;
        let blob_len = cursor.u32()?;
        let blob_start = bytes.len() - cursor.len();
        cursor.take(blob_len as usize)?;
        cursor.finish()?;
        let view = starts.view(bytes);
        let last = starts
            .len()
            .checked_sub(1)
            .and_then(|last| record::<u32>(view, last));
        let starts_fit = starts.len() >= 2
            && record::<u32>(view, 0) == Some(0)
            && records::<u32>(view).is_sorted()
            && last == Some(entries.len());
        if !starts_fit {
            return Err(BundleError::IndexOutOfRange { what });
        }
        let mut values = Partition::default();
        for value in records::<(u32, u32)>(entries.view(bytes)) {
            values.next(value, blob_len, what)?;
        }
        let set = StringSet {
            bytes: bytes.clone(),
            starts,
            entries,
            blob_start,
        };
        set.check_buckets()?;
        Ok(set)
    }

    fn contains(&self, value: &[u8]) -> bool {
        let starts = self.starts.view(&self.bytes);
        let bucket = bucket_of(value, self.starts.len().saturating_sub(1) as usize);
        let start = record::<u32>(starts, bucket).unwrap_or_default();
        let end = record::<u32>(starts, bucket + 1).unwrap_or_default();
        let bucket = slice::<(u32, u32)>(
            self.entries.view(&self.bytes),
            start,
            end.saturating_sub(start),
        );
        let blob = self.bytes.get(self.blob_start..).unwrap_or_default();
        find::<(u32, u32)>(bucket, |entry| blob_slice(blob, *entry).cmp(value)).is_some()
    }

    /// A value is found by binary search, however many share a bucket.
    fn check_buckets(&self) -> Result<(), BundleError> {
        let blob = self.bytes.get(self.blob_start..).unwrap_or_default();
        let entries = self.entries.view(&self.bytes);
        let starts = records::<u32>(self.starts.view(&self.bytes));
        let ends = records::<u32>(self.starts.view(&self.bytes)).skip(1);
        for (start, end) in starts.zip(ends) {
            let bucket = slice::<(u32, u32)>(entries, start, end.saturating_sub(start));
            let values = records::<(u32, u32)>(bucket);
            if !values.is_sorted_by(|a, b| blob_slice(blob, *a) < blob_slice(blob, *b)) {
                return Err(BundleError::BadValue { what: "a list" });
            }
        }
        Ok(())
    }
}

/// Empty if it is out of range, which the checks at load rule out.
fn blob_slice(blob: &[u8], (offset, length): (u32, u32)) -> &[u8] {
    let range = || {
        let offset = offset as usize;
        blob.get(offset..offset.checked_add(length as usize)?)
    };
    range().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_list_holds_its_values_and_nothing_else() {
        for count in [0, 1, 2, 3, 7, 8, 9, 500] {
            let values: Vec<Vec<u8>> = (0..count)
                .map(|index| format!("v{index}").into_bytes())
                .collect();
            let list = List::read(&write_strings(&values).as_slice().into()).unwrap();
            assert!(!list.is_addresses());
            assert!(
                values.iter().all(|value| list.contains_bytes(value)),
                "{count} values"
            );
            for other in ["", "v", "V0", "v0 ", "v501", "v00"] {
                assert!(
                    !list.contains_bytes(other.as_bytes()),
                    "{other:?} of {count}"
                );
            }
            assert!(!list.contains_address(IpAddr::from([0, 0, 0, 0])));
        }
    }

    #[test]
    fn values_are_any_bytes() {
        let values = [
            b"".to_vec(),
            b"\0".to_vec(),
            b"\xff\xfe".to_vec(),
            b"a\nb".to_vec(),
        ];
        let list = List::read(&write_strings(&values).as_slice().into()).unwrap();
        assert!(values.iter().all(|value| list.contains_bytes(value)));
        assert!(!list.contains_bytes(b"\0\0"));
    }

    #[test]
    fn the_order_of_values_does_not_show() {
        let values = [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
        let turned = [b"c".to_vec(), b"b".to_vec(), b"a".to_vec()];
        assert_eq!(write_strings(&values), write_strings(&turned));
    }

    /// Whoever can put values into a list can make them share a bucket.
    #[test]
    fn values_that_share_a_bucket_are_found() {
        let numbered = (0..).map(|index| format!("v{index}").into_bytes());
        let shared = numbered.filter(|value| bucket_of(value, 256) == 7);
        let values: Vec<Vec<u8>> = shared.take(201).collect();
        let (left_out, values) = values.split_last().unwrap();
        let list = List::read(&write_strings(values).as_slice().into()).unwrap();
        assert!(values.iter().all(|value| list.contains_bytes(value)));
        assert!(!list.contains_bytes(left_out));
    }

    #[test]
    fn a_bucket_out_of_order_is_refused() {
        let numbered = (0..).map(|index| format!("v{index}").into_bytes());
        let values: Vec<Vec<u8>> = numbered
            .filter(|value| bucket_of(value, 2) == 0)
            .take(2)
            .collect();
        let list = write_strings(&values);
        assert!(List::read(&list.as_slice().into()).is_ok());
        // Behind type, three starts and the entries' count.
        let entries_at = HEADER_LEN + 4 + 3 * 4 + 4;
        let mut swapped = list.clone();
        let (first, second) = swapped
            .get_mut(entries_at..entries_at + 16)
            .unwrap()
            .split_at_mut(8);
        first.swap_with_slice(second);
        assert!(List::read(&swapped.as_slice().into()).is_err());
        let mut twice = list;
        twice.copy_within(entries_at..entries_at + 8, entries_at + 8);
        assert!(List::read(&twice.as_slice().into()).is_err());
    }

    #[test]
    fn a_value_given_twice_is_written_once() {
        let twice = [b"a".to_vec(), b"b".to_vec(), b"a".to_vec()];
        let list = List::read(&write_strings(&twice).as_slice().into()).unwrap();
        assert!(list.contains_bytes(b"a") && list.contains_bytes(b"b"));
    }

    #[test]
    fn unknown_types_and_set_padding_are_refused() {
        let list = write_strings(&[b"a".to_vec()]);
        for (at, value) in [(0, 2), (0, 0xff), (1, 1), (7, 0x80)] {
            let mut altered = list.clone();
            if let Some(byte) = altered.get_mut(at) {
                *byte = value;
            }
            assert!(
                List::read(&altered.as_slice().into()).is_err(),
                "{value} at {at}"
            );
        }
        assert!(List::read(&[].as_slice().into()).is_err());
    }
}
