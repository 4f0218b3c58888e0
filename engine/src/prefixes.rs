//! Sets of IP addresses, as blocks of addresses that begin with the same bits.
//!
//! Layout of one set: arrays of blocks, each with its count before it: IPv4 (start u32, free bits u8), IPv6 of 2^64
//! addresses and more (upper half of the start u64, free bits of that half u8), other IPv6 (start u128, free bits u8); then
//! [`groups`], which hold the IPv4 blocks of a large set in place of the first array. Addresses are little-endian numbers.
//! Section `prefixes` holds the sets that rules write inline, each behind its length; a list of type cidr is one set in a
//! section of its own.

mod block;
mod groups;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Bytes, Cursor, records, write_array, write_len};
use block::{Block, blocks_of, holds, is_ascending};
use groups::Groups;

/// An interval of addresses as numbers, both ends included.
pub type Interval<T> = (T, T);

/// One set, from intervals that ascend and do not overlap.
#[must_use]
pub fn write_set(v4: &[Interval<u32>], v6: &[Interval<u128>]) -> Vec<u8> {
    let v4 = blocks_of(v4);
    let is_grouped = groups::are_worth_it(&v4);
    let (wide, narrow) = by_width(&blocks_of(v6));
    let mut out = Vec::new();
    write_array(if is_grouped { &[] } else { v4.as_slice() }, &mut out);
    write_array(&wide, &mut out);
    write_array(&narrow, &mut out);
    if is_grouped {
        groups::write(&v4, &mut out);
    } else {
        groups::write_none(&mut out);
    }
    out
}

/// Blocks of which the upper half of an address says everything, and the others.
fn by_width(blocks: &[Block<u128>]) -> (Vec<Block<u64>>, Vec<Block<u128>>) {
    let (wide, narrow): (Vec<Block<u128>>, Vec<Block<u128>>) = blocks
        .iter()
        .partition(|block| block.free_bits >= HALF_BITS);
    let wide = wide.iter().map(|block| Block {
        start: upper_half(block.start),
        free_bits: block.free_bits - HALF_BITS,
    });
    (wide.collect(), narrow)
}

const HALF_BITS: u8 = 64;

fn upper_half(address: u128) -> u64 {
    (address >> HALF_BITS) as u64
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

/// One set, checked: the blocks of each array ascend and do not overlap.
#[derive(Debug, Clone)]
pub(crate) struct PrefixSet {
    bytes: Bytes,
    v4: ArrayRange,
    v6_wide: ArrayRange,
    v6_narrow: ArrayRange,
    v4_groups: Groups,
}

impl PrefixSet {
    pub(crate) fn read(bytes: &Bytes) -> Result<PrefixSet, BundleError> {
        let what = "an address set";
        let mut cursor = Cursor::new(bytes, what);
        let set = PrefixSet {
            bytes: bytes.clone(),
            v4: ArrayRange::read::<Block<u32>>(bytes, &mut cursor)?,
            v6_wide: ArrayRange::read::<Block<u64>>(bytes, &mut cursor)?,
            v6_narrow: ArrayRange::read::<Block<u128>>(bytes, &mut cursor)?,
            v4_groups: Groups::read(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        let are_ascending = is_ascending::<u32>(set.v4.view(bytes))
            && is_ascending::<u64>(set.v6_wide.view(bytes))
            && is_ascending::<u128>(set.v6_narrow.view(bytes));
        let has_one_v4_form = set.v4.len() == 0 || set.v4_groups.is_empty();
        if !are_ascending || !has_one_v4_form {
            return Err(BundleError::BadValue { what });
        }
        Ok(set)
    }

    /// Its blocks; one of more than a group's addresses is there once for each of its groups.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        let bytes: &[u8] = &self.bytes;
        let v4 = records::<Block<u32>>(self.v4.view(bytes)).map(Block::range);
        let v4 = v4.chain(self.v4_groups.ranges(bytes));
        let v4 =
            v4.map(|(first, last)| (Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into()));
        let wide = records::<Block<u64>>(self.v6_wide.view(bytes)).map(Block::range);
        let wide = wide.map(|(first, last)| {
            let upper = |half: u64| u128::from(half) << HALF_BITS;
            (upper(first), upper(last) | u128::from(u64::MAX))
        });
        let narrow = records::<Block<u128>>(self.v6_narrow.view(bytes)).map(Block::range);
        let v6 = wide.chain(narrow);
        let v6 =
            v6.map(|(first, last)| (Ipv6Addr::from(first).into(), Ipv6Addr::from(last).into()));
        v4.chain(v6)
    }

    /// Whether the set holds an address; an IPv4-mapped IPv6 address counts as IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let bytes: &[u8] = &self.bytes;
        match address.to_canonical() {
            IpAddr::V4(address) if self.v4_groups.is_empty() => {
                holds(self.v4.view(bytes), u32::from(address))
            }
            IpAddr::V4(address) => self.v4_groups.hold(bytes, u32::from(address)),
            IpAddr::V6(address) => {
                let address = u128::from(address);
                holds(self.v6_wide.view(bytes), upper_half(address))
                    || holds(self.v6_narrow.view(bytes), address)
            }
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

#[cfg(test)]
mod tests {
    use alloc::vec;

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

    /// Blocks of one address each, every `step` addresses from `start` on.
    fn spread(start: u32, step: usize, count: usize) -> Vec<Interval<u32>> {
        (start..)
            .step_by(step)
            .take(count)
            .map(|address| (address, address))
            .collect()
    }

    #[test]
    fn a_large_set_is_grouped() {
        let mut v4 = spread(0, 2, 100_000);
        v4.extend([(0x0a00_0000, 0x0bff_ffff), (0x0cff_ffff, 0x0d01_0002)]);
        v4.extend(spread(0xfffe_0000, 3, 40_000));
        v4.push((u32::MAX, u32::MAX));
        let bytes = write_set(&v4, &[(1 << 64, (3 << 64) + 1)]);
        assert!(bytes.len() < v4.len() * 5, "{} bytes", bytes.len());
        let set = PrefixSet::read(&bytes.as_slice().into()).unwrap();
        assert!(!set.v4_groups.is_empty() && set.v4.len() == 0);
        let ends = v4
            .iter()
            .flat_map(|&(low, high)| [low.wrapping_sub(1), low, high, high.wrapping_add(1)]);
        let middles = [0x0a80_0000, 0x0afe_ffff, 0x0d00_8000, 0x7fff_ffff];
        for address in ends.chain(middles) {
            let upto = v4.partition_point(|(low, _)| *low <= address);
            let expected = upto > 0 && address <= v4[upto - 1].1;
            let found = set.contains(IpAddr::V4(address.into()));
            assert_eq!(found, expected, "{address:#x}");
        }
        for (address, expected) in [
            ("0:0:0:1::", true),
            ("0:0:0:3::1", true),
            ("0:0:0:3::2", false),
        ] {
            assert_eq!(
                set.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    /// Ranges that touch are one, in whichever blocks a set has them.
    #[test]
    fn ranges_are_what_was_written() {
        let v6 = [(1, 6), (1 << 64, (3 << 64) + 1)];
        let mut large = spread(0, 2, 100_000);
        large.push((0x0a00_0000, 0x0bff_ffff));
        for v4 in [vec![(3, 9), (12, 12), (0x0a00_0000, u32::MAX)], large] {
            let set = PrefixSet::read(&write_set(&v4, &v6).as_slice().into()).unwrap();
            let mut found: Vec<(IpAddr, IpAddr)> = Vec::new();
            let mut ranges: Vec<(IpAddr, IpAddr)> = set.ranges().collect();
            ranges.sort_unstable();
            for (first, last) in ranges {
                let number = |address| match address {
                    IpAddr::V4(address) => u128::from(u32::from(address)),
                    IpAddr::V6(address) => u128::from(address),
                };
                match found.last_mut() {
                    Some(before)
                        if before.1.is_ipv4() == first.is_ipv4()
                            && number(before.1) + 1 == number(first) =>
                    {
                        before.1 = last;
                    }
                    _ => found.push((first, last)),
                }
            }
            let of_v4 =
                |&(low, high): &(u32, u32)| (IpAddr::V4(low.into()), IpAddr::V4(high.into()));
            let of_v6 =
                |&(low, high): &(u128, u128)| (IpAddr::V6(low.into()), IpAddr::V6(high.into()));
            let expected: Vec<_> = v4.iter().map(of_v4).chain(v6.iter().map(of_v6)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn blocks_cost_what_their_addresses_need() {
        let length = |v4: &[Interval<u32>], v6: &[Interval<u128>]| write_set(v4, v6).len();
        let empty = length(&[], &[]);
        assert_eq!(length(&[(0, 255)], &[]), empty + 5);
        assert_eq!(length(&[], &[(1 << 64, (2 << 64) - 1)]), empty + 9);
        assert_eq!(length(&[], &[(7, 7)]), empty + 17);
        let grouped = length(&spread(0, 2, 200_000), &[]);
        assert_eq!(grouped, empty + 65_537 * 4 + 200_000 * 3);
    }

    /// The groups' starts begin behind the counts of four arrays, three of them empty.
    #[test]
    fn groups_that_do_not_fit_their_blocks_are_refused() {
        let good = write_set(&spread(1, 2, 200_000), &[]);
        let read = |bytes: &[u8]| PrefixSet::read(&bytes.into()).map(|_| ());
        assert_eq!(read(&good), Ok(()));
        let what = "an address set";
        let start = |group: usize| 4 * 4 + 4 * group;
        let blocks = start(65_537) + 4;
        for (at, byte, refusal) in [
            (start(0), 1, BundleError::IndexOutOfRange { what }),
            (start(1) + 3, 1, BundleError::IndexOutOfRange { what }),
            (start(65_536), 1, BundleError::IndexOutOfRange { what }),
            (blocks, 9, BundleError::BadValue { what }),
            (blocks + 2, 1, BundleError::BadValue { what }),
            (blocks + 2, 17, BundleError::BadValue { what }),
        ] {
            let mut altered = good.clone();
            altered[at] = byte;
            assert_eq!(read(&altered), Err(refusal), "{byte} at {at}");
        }
    }

    #[test]
    fn sets_that_write_ipv4_twice_or_miscount_are_refused() {
        let mut both = write_set(&[(7, 7)], &[]);
        let grouped = write_set(&spread(1, 2, 200_000), &[]);
        both.truncate(4 + 5 + 2 * 4);
        both.extend_from_slice(&grouped[3 * 4..]);
        assert!(PrefixSet::read(&both.as_slice().into()).is_err());
        let mut few = write_set(&[], &[]);
        few[3 * 4] = 1;
        few.extend([0; 4]);
        assert!(PrefixSet::read(&few.as_slice().into()).is_err());
        let set = write_set(&[(7, 7)], &[(7, 7), (1 << 64, (2 << 64) - 1)]);
        for length in 0..set.len() {
            assert!(PrefixSet::read(&set[..length].into()).is_err(), "{length}");
        }
    }

    #[test]
    fn blocks_out_of_order_are_refused_in_every_array() {
        for (v4, v6) in [
            (vec![(8, 8), (4, 4)], vec![]),
            (vec![], vec![(8, 8), (4, 4)]),
            (
                vec![],
                vec![(8 << 64, (9 << 64) - 1), (4 << 64, (5 << 64) - 1)],
            ),
        ] {
            let set = write_set(&v4, &v6);
            assert!(
                PrefixSet::read(&set.as_slice().into()).is_err(),
                "{v4:?} {v6:?}"
            );
        }
    }
}
