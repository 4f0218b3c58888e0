//! What is left of keys that were evicted: at least what was counted for each of them.

use alloc::vec;
use alloc::vec::Vec;

use super::slices::{Slices, distance};
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// A key has a cell in each row.
const ROWS: usize = 4;

/// A count-min sketch of slices in which a cell holds the greatest count of any key that it stands for, not their sum.
///
/// That is enough, because it is told the whole count of a key at once. So a flood of keys that were each seen once leaves
/// ones, however many they are.
///
/// G. Cormode, S. Muthukrishnan: An improved data stream summary: the count-min sketch and its applications (2005).
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    /// Row by row; empty until something is noted.
    cells: Vec<Slices>,
    width: usize,
}

impl Sketch {
    /// How many bytes a cell takes in a block.
    pub(super) const CELL_WRITTEN_LEN: usize = 4 + Slices::WRITTEN_LEN;

    /// One with rows of `width` cells, at most 256.
    pub(super) fn new(width: usize) -> Sketch {
        Sketch {
            cells: Vec::new(),
            width,
        }
    }

    pub(super) const fn cell_count(width: usize) -> usize {
        ROWS * width
    }

    /// Notes what was counted for a key that is forgotten now. False if that changes nothing.
    pub(super) fn note(&mut self, key: u64, slices: &Slices, slice: u32) -> bool {
        if slices.is_zero() {
            return false;
        }
        self.take_memory();
        let mut has_changed = false;
        for place in self.places(key) {
            if let Some(cell) = self.cells.get_mut(place) {
                let before = *cell;
                cell.join(slices, slice);
                has_changed |= *cell != before;
            }
        }
        has_changed
    }

    /// At least what was ever noted for a key, of which counts what does in `slice`.
    pub(super) fn estimate(&self, key: u64, slice: u32) -> Slices {
        let mut estimate = Slices::default();
        let cells = self
            .places(key)
            .map(|place| self.cells.get(place).filter(|cell| cell.is_live(slice)));
        let [Some(first), rest @ ..] = cells else {
            return estimate;
        };
        if rest.contains(&None) {
            return estimate;
        }
        // Proxies' threads read the clock one after the other: a cell may be a slice ahead.
        for (slice, count) in first.each().filter(|(held, _)| distance(slice, *held) < 8) {
            let others = rest.iter().flatten().map(|cell| cell.get(slice));
            let least = others.fold(count, u32::min);
            if least > 0 {
                estimate.plus(&Slices::of(slice, least));
            }
        }
        estimate
    }

    pub(super) fn write(&self, slice: u32, out: &mut Vec<u8>) -> u32 {
        let mut count = 0;
        for (place, cell) in (0_u32..).zip(&self.cells) {
            if cell.is_live(slice) {
                out.extend(place.to_le_bytes());
                cell.write(out);
                count += 1;
            }
        }
        count
    }

    /// Joins `count` cells as [`Sketch::write`] wrote them. Those that cannot be are left out.
    pub(super) fn join_written(
        &mut self,
        cursor: &mut Cursor<'_>,
        count: u32,
        slice: u32,
    ) -> Result<(), BundleError> {
        for _ in 0..count {
            let place = cursor.u32()?;
            let theirs = Slices::read(cursor)?;
            if theirs.is_live(slice) {
                self.take_memory();
                if let Some(cell) = self.cells.get_mut(place as usize) {
                    cell.join(&theirs, slice);
                }
            }
        }
        Ok(())
    }

    fn take_memory(&mut self) {
        if self.cells.is_empty() {
            self.cells = vec![Slices::default(); Sketch::cell_count(self.width)];
        }
    }

    /// The key's cell in each row. What chose the shard and the bucket is mixed once more.
    fn places(&self, key: u64) -> [usize; ROWS] {
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let [first, second, third, fourth, ..] = mixed;
        let columns = [first, second, third, fourth].map(usize::from);
        let mut row = 0;
        columns.map(|column| {
            let place = row * self.width + column % self.width.max(1);
            row += 1;
            place
        })
    }
}
