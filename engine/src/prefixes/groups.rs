//! Many IPv4 blocks, grouped by the upper half of their addresses, so that each takes three bytes instead of five and a
//! search begins among those of one group. A block of more than a group's addresses is in each of its groups.
//!
//! Layout: group starts (count, none or 65,537, u32 each), blocks (count; lower half of the start u16, free bits u8).

use alloc::vec::Vec;

use super::block::{Block, holds, is_ascending};
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Record as _, record, records, slice, write_array, write_len,
};

const GROUP_COUNT: u32 = 1 << 16;
const GROUP_BITS: u8 = 16;

/// Writes no groups.
pub(super) fn write_none(out: &mut Vec<u8>) {
    write_len(0, out);
    write_len(0, out);
}

/// Writes all of an ascending array of blocks.
pub(super) fn write(blocks: &[Block<u32>], out: &mut Vec<u8>) {
    let mut starts: Vec<u32> = Vec::with_capacity(GROUP_COUNT as usize + 1);
    let mut grouped: Vec<Block<u16>> = Vec::with_capacity(grouped_count(blocks));
    for block in blocks {
        let first = block.start >> GROUP_BITS;
        for group in first..first + groups_of(*block) {
            starts.resize(group as usize + 1, grouped.len() as u32);
            grouped.push(Block {
                start: block.start as u16,
                free_bits: block.free_bits.min(GROUP_BITS),
            });
        }
    }
    starts.resize(GROUP_COUNT as usize + 1, grouped.len() as u32);
    write_array(&starts, out);
    write_array(&grouped, out);
}

/// Whether blocks take less room in groups.
pub(super) fn are_worth_it(blocks: &[Block<u32>]) -> bool {
    let starts = (GROUP_COUNT as usize + 1) * 4;
    starts + grouped_count(blocks) * Block::<u16>::LEN < blocks.len() * Block::<u32>::LEN
}

fn grouped_count(blocks: &[Block<u32>]) -> usize {
    blocks.iter().map(|block| groups_of(*block) as usize).sum()
}

fn groups_of(block: Block<u32>) -> u32 {
    1 << block.free_bits.saturating_sub(GROUP_BITS)
}

/// Groups of blocks, checked: those of each group ascend and do not overlap.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    starts: ArrayRange,
    blocks: ArrayRange,
}

impl Groups {
    pub(super) fn read(bytes: &Bytes, cursor: &mut Cursor<'_>) -> Result<Groups, BundleError> {
        let what = "an address set";
        let starts = ArrayRange::read::<u32>(bytes, cursor)?;
        let blocks = ArrayRange::read::<Block<u16>>(bytes, cursor)?;
        let groups = Groups { starts, blocks };
        if !groups.starts_fit(bytes) {
            return Err(BundleError::IndexOutOfRange { what });
        }
        let blocks = groups.blocks.view(bytes);
        let starts = groups.starts.view(bytes);
        let ends = records::<u32>(starts).skip(1);
        let mut groups_in_order = records::<u32>(starts)
            .zip(ends)
            .map(|(start, end)| slice::<Block<u16>>(blocks, start, end - start));
        if !groups_in_order.all(is_ascending::<u16>) {
            return Err(BundleError::BadValue { what });
        }
        Ok(groups)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.len() == 0
    }

    pub(super) fn hold(&self, bytes: &[u8], address: u32) -> bool {
        let starts = self.starts.view(bytes);
        let group = address >> GROUP_BITS;
        let start = record::<u32>(starts, group).unwrap_or_default();
        let end = record::<u32>(starts, group + 1).unwrap_or_default();
        let blocks = slice::<Block<u16>>(self.blocks.view(bytes), start, end.saturating_sub(start));
        holds(blocks, address as u16)
    }

    pub(super) fn ranges<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let starts = self.starts.view(bytes);
        let blocks = self.blocks.view(bytes);
        let groups = records::<u32>(starts).zip(records::<u32>(starts).skip(1));
        (0..).zip(groups).flat_map(move |(group, (start, end))| {
            let own = slice::<Block<u16>>(blocks, start, end.saturating_sub(start));
            let upper = move |half: u16| group << GROUP_BITS | u32::from(half);
            records::<Block<u16>>(own).map(move |block| {
                let (first, last) = block.range();
                (upper(first), upper(last))
            })
        })
    }

    /// Groups stand one behind the other and leave no block out.
    fn starts_fit(&self, bytes: &[u8]) -> bool {
        let starts = self.starts.view(bytes);
        if self.is_empty() {
            return self.blocks.len() == 0;
        }
        self.starts.len() == GROUP_COUNT + 1
            && record::<u32>(starts, 0) == Some(0)
            && records::<u32>(starts).is_sorted()
            && record::<u32>(starts, GROUP_COUNT) == Some(self.blocks.len())
    }
}
