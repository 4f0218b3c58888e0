//! Sets of IP addresses, as disjoint ascending intervals.
//!
//! Layout of one set: count and (low, high) pairs of IPv4, count and (low, high) pairs of IPv6; addresses are
//! little-endian numbers, both ends belong to the interval. Section `prefixes` holds the sets that rules write
//! inline, each behind its length; a list of type cidr is one set in a section of its own.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Bytes, Cursor, Record, record, records, write_array, write_len};

/// An interval of addresses as numbers, both ends included.
pub type Interval<T> = (T, T);

impl Record for Interval<u128> {
    const LEN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
        out.extend_from_slice(&self.1.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let low = bytes.first_chunk().copied().map(u128::from_le_bytes)?;
        let high = bytes
            .get(16..)?
            .first_chunk()
            .copied()
            .map(u128::from_le_bytes)?;
        Some((low, high))
    }
}

/// One set.
#[must_use]
pub fn write_set(v4: &[Interval<u32>], v6: &[Interval<u128>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(v4, &mut out);
    write_array(v6, &mut out);
    out
}

/// The section of inline sets.
#[must_use]
pub fn write(sets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_len(sets.len(), &mut out);
    for set in sets {
        write_len(set.len(), &mut out);
        out.extend_from_slice(set);
    }
    out
}

/// One set, checked: intervals are disjoint and ascend.
#[derive(Debug, Clone)]
pub(crate) struct PrefixSet {
    bytes: Bytes,
    v4: ArrayRange,
    v6: ArrayRange,
}

impl PrefixSet {
    pub(crate) fn read(bytes: &Bytes) -> Result<PrefixSet, BundleError> {
        let what = "an address set";
        let mut cursor = Cursor::new(bytes, what);
        let v4 = ArrayRange::read::<Interval<u32>>(bytes, &mut cursor)?;
        let v6 = ArrayRange::read::<Interval<u128>>(bytes, &mut cursor)?;
        cursor.finish()?;
        if !is_disjoint::<u32>(v4.view(bytes)) || !is_disjoint::<u128>(v6.view(bytes)) {
            return Err(BundleError::BadValue { what });
        }
        Ok(PrefixSet {
            bytes: bytes.clone(),
            v4,
            v6,
        })
    }

    /// Whether the set holds an address; an IPv4-mapped IPv6 address counts as IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                holds(self.v4.view(&self.bytes), self.v4.len(), u32::from(address))
            }
            IpAddr::V6(address) => holds(
                self.v6.view(&self.bytes),
                self.v6.len(),
                u128::from(address),
            ),
        }
    }
}

/// The section, taken apart.
pub(crate) fn read(bytes: &Bytes) -> Result<Vec<PrefixSet>, BundleError> {
    let mut cursor = Cursor::new(bytes, "prefixes");
    let count = cursor.u32()?;
    let mut sets = Vec::new();
    for _ in 0..count {
        let length = cursor.u32()? as usize;
        let start = bytes.len() - cursor.len();
        cursor.take(length)?;
        sets.push(PrefixSet::read(&bytes.part(start, length))?);
    }
    cursor.finish()?;
    Ok(sets)
}

fn is_disjoint<T: Ord + Copy>(array: &[u8]) -> bool
where
    Interval<T>: Record,
{
    let mut previous: Option<T> = None;
    records::<Interval<T>>(array).all(|(low, high)| {
        let ascends = previous.is_none_or(|previous| previous < low) && low <= high;
        previous = Some(high);
        ascends
    })
}

/// Binary search for the last interval that starts at or before `address`.
fn holds<T: Ord + Copy>(array: &[u8], count: u32, address: T) -> bool
where
    Interval<T>: Record,
{
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match record::<Interval<T>>(array, middle) {
            Some((start, _)) if start <= address => low = middle + 1,
            _ => high = middle,
        }
    }
    let candidate = low
        .checked_sub(1)
        .and_then(|index| record::<Interval<T>>(array, index));
    candidate.is_some_and(|(_, end)| address <= end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_both_their_ends() {
        let v4 = [
            (0, 0),
            (10, 20),
            (21, 21),
            (0x0a00_0000, 0x0aff_ffff),
            (u32::MAX, u32::MAX),
        ];
        let v6 = [(2, 3), (0x2001_0db8 << 96, (0x2001_0db9 << 96) - 1)];
        let set = PrefixSet::read(&write_set(&v4, &v6).as_slice().into()).unwrap();
        let cases = [
            ("0.0.0.0", true),
            ("0.0.0.1", false),
            ("0.0.0.9", false),
            ("0.0.0.10", true),
            ("0.0.0.20", true),
            ("0.0.0.21", true),
            ("0.0.0.22", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("255.255.255.255", true),
            ("255.255.255.254", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:11.0.0.0", false),
            ("::1", false),
            ("::2", true),
            ("::3", true),
            ("::4", false),
            ("2001:db8::", true),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db9::", false),
        ];
        for (address, expected) in cases {
            assert_eq!(
                set.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        let set = PrefixSet::read(&write_set(&[], &[]).as_slice().into()).unwrap();
        assert!(!set.contains("0.0.0.0".parse().unwrap()) && !set.contains("::".parse().unwrap()));
    }

    #[test]
    fn intervals_that_overlap_touch_ends_or_go_backwards_are_refused() {
        let cases: [&[Interval<u32>]; 4] = [
            &[(5, 4)],
            &[(1, 5), (5, 9)],
            &[(3, 4), (1, 2)],
            &[(1, 9), (2, 3)],
        ];
        for intervals in cases {
            assert!(
                PrefixSet::read(&write_set(intervals, &[]).as_slice().into()).is_err(),
                "{intervals:?}"
            );
            let wide: Vec<Interval<u128>> = intervals
                .iter()
                .map(|&(a, b)| (a.into(), b.into()))
                .collect();
            assert!(
                PrefixSet::read(&write_set(&[], &wide).as_slice().into()).is_err(),
                "{intervals:?}"
            );
        }
        assert!(PrefixSet::read(&write_set(&[(1, 4), (5, 9)], &[]).as_slice().into()).is_ok());
    }
}
