//! A block: the addresses that begin with the same bits, whatever the others are.

use alloc::vec::Vec;
use core::ops::{BitAnd, BitOr};

use super::Interval;
use crate::codec::{Record, record, records};

/// An address, or a part of one, as a number.
pub(super) trait Word:
    Copy + Ord + BitAnd<Output = Self> + BitOr<Output = Self> + 'static
{
    const ZERO: Self;
    const BITS: u8;

    /// The number whose lowest `count` bits are set; all of them, if there are fewer.
    fn low_ones(count: u8) -> Self;

    /// How many of the lowest bits are zero.
    fn free_bits(self) -> u8;

    /// The next number, unless this is the last.
    fn next(self) -> Option<Self>;
}

/// The addresses from `start` on that differ from it in the lowest `free_bits` only, which are zero in `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<T> {
    pub(super) start: T,
    pub(super) free_bits: u8,
}

impl<T: Word> Block<T> {
    pub(super) fn range(self) -> Interval<T> {
        (self.start, self.last())
    }

    fn last(self) -> T {
        self.start | T::low_ones(self.free_bits)
    }

    fn is_aligned(self) -> bool {
        self.free_bits <= T::BITS && self.start & T::low_ones(self.free_bits) == T::ZERO
    }
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Word for $word {
            const ZERO: Self = 0;
            const BITS: u8 = <$word>::BITS as u8;

            fn low_ones(count: u8) -> Self {
                let rest = <Self as Word>::BITS.saturating_sub(count);
                <$word>::MAX.checked_shr(rest.into()).unwrap_or(0)
            }

            fn free_bits(self) -> u8 {
                self.trailing_zeros() as u8
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }

        impl Record for Block<$word> {
            const LEN: usize = size_of::<$word>() + 1;

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.start.to_le_bytes());
                out.push(self.free_bits);
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                let (start, rest) = bytes.split_first_chunk()?;
                Some(Block {
                    start: <$word>::from_le_bytes(*start),
                    free_bits: *rest.first()?,
                })
            }
        }
    )*};
}

words!(u16, u32, u64, u128);

/// The fewest blocks that make up the intervals.
pub(super) fn blocks_of<T: Word>(intervals: &[Interval<T>]) -> Vec<Block<T>> {
    let mut blocks = Vec::with_capacity(intervals.len());
    for &(low, high) in intervals {
        let mut next = Some(low).filter(|low| *low <= high);
        while let Some(start) = next {
            let block = largest(start, high);
            blocks.push(block);
            next = block.last().next().filter(|start| *start <= high);
        }
    }
    blocks
}

/// The largest block that starts at `start` and does not pass `high`.
fn largest<T: Word>(start: T, high: T) -> Block<T> {
    let mut free_bits = start.free_bits();
    while free_bits > 0 && start | T::low_ones(free_bits) > high {
        free_bits -= 1;
    }
    Block { start, free_bits }
}

/// Whether an array of blocks is in order: none overlaps another, and they ascend.
pub(super) fn is_ascending<T: Word>(array: &[u8]) -> bool
where
    Block<T>: Record,
{
    let mut previous: Option<T> = None;
    records::<Block<T>>(array).all(|block| {
        let ascends = previous.is_none_or(|previous| previous < block.start);
        previous = Some(block.last());
        ascends && block.is_aligned()
    })
}

/// Whether one of the blocks of an ascending array holds an address.
pub(super) fn holds<T: Word>(array: &[u8], address: T) -> bool
where
    Block<T>: Record,
{
    let (mut low, mut high) = (0, (array.len() / Block::<T>::LEN) as u32);
    while low < high {
        let middle = low + (high - low) / 2;
        match record::<Block<T>>(array, middle) {
            Some(block) if block.start <= address => low = middle + 1,
            _ => high = middle,
        }
    }
    let candidate = low
        .checked_sub(1)
        .and_then(|index| record::<Block<T>>(array, index));
    candidate.is_some_and(|block| address <= block.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_fall_into_the_fewest_blocks() {
        type Blocks = &'static [(u16, u8)];
        let cases: [(Interval<u16>, Blocks); 7] = [
            ((0, u16::MAX), &[(0, 16)]),
            ((7, 7), &[(7, 0)]),
            ((0, 0), &[(0, 0)]),
            ((1, 6), &[(1, 0), (2, 1), (4, 1), (6, 0)]),
            ((0xfffe, u16::MAX), &[(0xfffe, 1)]),
            ((0, 0xfffe >> 1), &[(0, 15)]),
            ((5, 4), &[]),
        ];
        for (interval, expected) in cases {
            let found: Vec<(u16, u8)> = blocks_of(&[interval])
                .iter()
                .map(|block| (block.start, block.free_bits))
                .collect();
            assert_eq!(found, expected, "{interval:?}");
        }
        let most = blocks_of(&[(1_u128, u128::MAX - 1)]);
        assert_eq!(most.len(), 254);
    }

    #[test]
    fn arrays_out_of_order_are_refused() {
        let cases: [(&[(u32, u8)], bool); 9] = [
            (&[], true),
            (&[(0, 32)], true),
            (&[(4, 2), (8, 3)], true),
            (&[(4, 2), (4, 2)], false),
            (&[(8, 3), (4, 2)], false),
            (&[(8, 3), (10, 0)], false),
            (&[(4, 3)], false),
            (&[(0, 33)], false),
            (&[(0, 255)], false),
        ];
        for (blocks, expected) in cases {
            let mut array = Vec::new();
            for &(start, free_bits) in blocks {
                Block { start, free_bits }.write(&mut array);
            }
            assert_eq!(is_ascending::<u32>(&array), expected, "{blocks:?}");
        }
    }

    #[test]
    fn blocks_hold_both_their_ends() {
        let mut array = Vec::new();
        for block in blocks_of::<u64>(&[(3, 3), (8, 15), (1 << 63, u64::MAX)]) {
            block.write(&mut array);
        }
        let held = [3_u64, 8, 11, 15, 1 << 63, u64::MAX];
        assert!(held.iter().all(|&address| holds(&array, address)));
        let others = [0_u64, 2, 4, 7, 16, (1 << 63) - 1];
        assert!(others.iter().all(|&address| !holds(&array, address)));
        assert!(!holds::<u64>(&[], 0));
    }
}
