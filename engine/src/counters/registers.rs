//! How many different values there were, roughly: HyperLogLog with registers of their own for each slice of a window.
//!
//! P. Flajolet, É. Fusy, O. Gandouet, F. Meunier: HyperLogLog: the analysis of a near-optimal cardinality estimation
//! algorithm (2007). The estimate is that of O. Ertl: New cardinality estimation algorithms for HyperLogLog sketches
//! (2017), which has no bias at small numbers.

use alloc::vec::Vec;

use super::slices::{LEN, Slices, distance, not_ahead, place};
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// Registers of a slice. The standard error is 1.04 / √512 = 4.6 %.
const COUNT: usize = 512;
const INDEX_BITS: u32 = COUNT.ilog2();
/// Ranks end here, at 512 · 2³⁰ different values, so that one takes five bits in a block.
const RANK_MAX: u8 = 31;
const RANKS: usize = RANK_MAX as usize + 1;
const RANK_BITS: usize = 5;
const SLICE_WRITTEN_LEN: usize = COUNT * RANK_BITS / 8;

/// How many bytes [`Registers::write`] writes at most.
pub(super) const WRITTEN_LEN_MAX: usize = 5 + LEN * SLICE_WRITTEN_LEN;

/// The registers of eight slices.
#[derive(Debug, Clone)]
pub(super) struct Registers {
    newest: u32,
    /// By [`place`].
    slices: [[u8; COUNT]; LEN],
}

impl Registers {
    pub(super) fn new(slice: u32) -> Registers {
        Registers {
            newest: slice,
            slices: [[0; COUNT]; LEN],
        }
    }

    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    /// Notes a value by its hash, unless its slice is before all others. False if that changes nothing.
    pub(super) fn add(&mut self, hash: u64, slice: u32) -> bool {
        self.reach(slice);
        let index = (hash as usize) % COUNT;
        let rank = (hash >> INDEX_BITS).trailing_zeros() + 1;
        let rank = u8::try_from(rank).unwrap_or(RANK_MAX).min(RANK_MAX);
        if !self.holds(slice) {
            return false;
        }
        let registers = self.slices.get_mut(place(slice));
        match registers.and_then(|registers| registers.get_mut(index)) {
            Some(held) if *held < rank => {
                *held = rank;
                true
            }
            _ => false,
        }
    }

    /// How many different values there were in `slice` and the seven before it.
    pub(super) fn estimate(&self, slice: u32) -> u64 {
        if distance(slice, self.newest).unsigned_abs() >= LEN as u32 {
            return 0;
        }
        self.estimate_since(slice.wrapping_sub(LEN as u32 - 1))
    }

    /// The estimate in parts: for each slice the values that no later one has.
    pub(super) fn split(&self) -> Slices {
        let mut parts = Slices::default();
        let mut later = 0;
        for back in 0..LEN as u32 {
            let slice = self.newest.wrapping_sub(back);
            let all = self.estimate_since(slice).max(later);
            let part = u32::try_from(all - later).unwrap_or(u32::MAX);
            parts.plus(&Slices::of(slice, part));
            later = all;
        }
        parts
    }

    /// As if all values of `other` had been noted here, in `slice` or before. False if that changes nothing.
    pub(super) fn join(&mut self, other: &Registers, slice: u32) -> bool {
        self.reach(not_ahead(other.newest, slice));
        let mut has_changed = false;
        for back in 0..LEN as u32 {
            let slice = other.newest.wrapping_sub(back);
            if !self.holds(slice) {
                continue;
            }
            let ours = self.slices.get_mut(place(slice)).into_iter().flatten();
            let theirs = other.slices.get(place(slice)).into_iter().flatten();
            for (held, theirs) in ours.zip(theirs) {
                has_changed |= *theirs > *held;
                *held = (*held).max(*theirs);
            }
        }
        has_changed
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.newest.to_le_bytes());
        let is_used = |registers: &&[u8; COUNT]| registers.iter().any(|rank| *rank > 0);
        let bit =
            |(place, registers): (usize, &[u8; COUNT])| u8::from(is_used(&registers)) << place;
        out.push(self.slices.iter().enumerate().map(bit).sum());
        for registers in self.slices.iter().filter(is_used) {
            let (octets, _) = registers.as_chunks::<8>();
            for octet in octets {
                let packed = octet.iter().rev();
                let packed = packed.fold(0, |bits, rank| (bits << RANK_BITS) | u64::from(*rank));
                out.extend(packed.to_le_bytes().iter().take(RANK_BITS));
            }
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Registers, BundleError> {
        let mut read = Registers::new(cursor.u32()?);
        let used = cursor.u8()?;
        for (place, registers) in read.slices.iter_mut().enumerate() {
            if used & (1 << place) == 0 {
                continue;
            }
            for octet in registers.as_chunks_mut::<8>().0 {
                let [a, b, c, d, e] = cursor.array()?;
                let mut bits = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
                for rank in octet {
                    *rank = (bits as u8) & RANK_MAX;
                    bits >>= RANK_BITS;
                }
            }
        }
        Ok(read)
    }

    fn holds(&self, slice: u32) -> bool {
        (0..LEN as i32).contains(&distance(self.newest, slice))
    }

    /// Lets the window reach `slice`.
    fn reach(&mut self, slice: u32) {
        if distance(slice, self.newest) >= LEN as i32 {
            *self = Registers::new(slice);
        }
        while distance(slice, self.newest) > 0 {
            self.newest = self.newest.wrapping_add(1);
            if let Some(registers) = self.slices.get_mut(place(self.newest)) {
                *registers = [0; COUNT];
            }
        }
    }

    /// The different values in `first` and the slices after it.
    fn estimate_since(&self, first: u32) -> u64 {
        let mut merged = [0_u8; COUNT];
        for back in 0..LEN as u32 {
            let slice = self.newest.wrapping_sub(back);
            if distance(slice, first) < 0 {
                break;
            }
            let registers = self.slices.get(place(slice)).into_iter().flatten();
            for (held, rank) in merged.iter_mut().zip(registers) {
                *held = (*held).max(*rank);
            }
        }
        let mut histogram = [0_u16; RANKS];
        for rank in merged {
            if let Some(count) = histogram.get_mut(usize::from(rank)) {
                *count += 1;
            }
        }
        estimate(&histogram)
    }
}

/// Ertl's estimate from how many registers have each rank. The correction for registers at the highest rank is left out:
/// it matters from 10¹¹ values on.
fn estimate(histogram: &[u16; RANKS]) -> u64 {
    /// 1 / (2 ln 2).
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    const M: f64 = COUNT as f64;
    let [zeros, ranks @ ..] = histogram;
    let ranks = ranks.iter().rev();
    let sum = ranks.fold(0.0, |sum, count| 0.5 * (sum + f64::from(*count)));
    let sum = sum + M * sigma(f64::from(*zeros) / M);
    // An empty sketch has an infinite sum. The cast saturates.
    (ALPHA * M * M / sum + 0.5) as u64
}

/// x + x² + 2x⁴ + 4x⁸ + …, for x from 0 to 1; it has converged after few steps unless all registers are empty.
fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut factor, mut sum) = (x, 1.0, x);
    for _ in 0..32 {
        power *= power;
        let before = sum;
        sum += power * factor;
        if sum <= before {
            break;
        }
        factor += factor;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64.
    fn hashes(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |step: u64| {
            let state = (seed << 32)
                .wrapping_add(step)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })
    }

    /// Root of the mean square of the relative error, and the mean.
    fn error(count: u64, trials: u32) -> (f64, f64) {
        let (mut squares, mut sum) = (0.0, 0.0);
        for trial in 0..trials {
            let mut registers = Registers::new(0);
            for (place, hash) in (0..).zip(hashes(u64::from(trial)).take(count as usize)) {
                registers.add(hash, place % 8);
            }
            let error = registers.estimate(7) as f64 / count as f64 - 1.0;
            squares += error * error;
            sum += error;
        }
        let trials = f64::from(trials);
        ((squares / trials).sqrt(), sum / trials)
    }

    #[test]
    fn the_standard_error_is_at_most_5_percent() {
        for count in [33, 50, 100, 300, 1_000, 1_500, 3_000, 10_000] {
            let (deviation, bias) = error(count, 300);
            assert!(deviation <= 0.05, "{count} values: {deviation}");
            assert!(bias.abs() <= 0.01, "{count} values: {bias}");
        }
    }

    #[test]
    fn values_leave_the_window_with_their_slice() {
        let mut registers = Registers::new(10);
        for (slice, part) in (10..18).zip(0..) {
            for hash in hashes(1).skip(part * 100).take(100) {
                registers.add(hash, slice);
            }
        }
        let near = |slice: u32, expected: f64| {
            let estimate = registers.estimate(slice) as f64;
            assert!(
                (estimate / expected - 1.0).abs() < 0.15,
                "{slice}: {estimate}"
            );
        };
        near(17, 800.0);
        near(20, 500.0);
        near(24, 100.0);
        assert_eq!(registers.estimate(25), 0);
        assert_eq!(registers.split().sum(17), registers.estimate(17));
        assert_eq!(registers.split().sum(22), registers.estimate(22));
    }

    #[test]
    fn joining_is_noting_all_values_and_changes_nothing_twice() {
        let (mut one, mut other, mut both) =
            (Registers::new(5), Registers::new(9), Registers::new(5));
        for (place, hash) in (0..).zip(hashes(3).take(2_000)) {
            let slice = 5 + place % 5;
            both.add(hash, slice);
            let either = if place % 3 == 0 { &mut one } else { &mut other };
            either.add(hash, slice);
        }
        assert!(one.join(&other, 9));
        assert_eq!(one.estimate(9), both.estimate(9));
        assert!(!one.join(&other, 9));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut registers = Registers::new(3);
        for (place, hash) in (0..).zip(hashes(9).take(500)) {
            registers.add(hash, place % 3);
        }
        let mut bytes = Vec::new();
        registers.write(&mut bytes);
        assert_eq!(bytes.len(), 5 + 3 * SLICE_WRITTEN_LEN);
        let read = Registers::read(&mut Cursor::new(&bytes, "registers")).unwrap();
        assert_eq!(
            (read.newest, read.slices),
            (registers.newest, registers.slices)
        );
        for cut in 0..bytes.len() {
            assert!(Registers::read(&mut Cursor::new(&bytes[..cut], "registers")).is_err());
        }
    }
}
