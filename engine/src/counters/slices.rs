//! Counts of the eight slices of a sliding window.

use alloc::vec::Vec;

use super::SLICES;
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// How many slices a window has.
pub(super) const LEN: usize = SLICES as usize;
const SPAN: i32 = LEN as i32;

/// A slice's number, modulo 2^32: slices are compared by how far they are apart, which is little where it matters.
pub(super) fn number(slice: u64) -> u32 {
    (slice & u64::from(u32::MAX)) as u32
}

/// How many slices `one` comes after `other`; negative if it comes before.
pub(super) fn distance(one: u32, other: u32) -> i32 {
    one.wrapping_sub(other).cast_signed()
}

/// How far a window reaches by what others tell, who may read the clock a moment later: at most to the slice after this
/// one. Further ahead is what a neighbour forged to push out what was counted.
pub(super) fn not_ahead(newest: u32, slice: u32) -> u32 {
    if distance(newest, slice) > 1 {
        slice.wrapping_add(1)
    } else {
        newest
    }
}

/// Where a slice is kept in an array of [`LEN`].
pub(super) fn place(slice: u32) -> usize {
    slice as usize % LEN
}

/// A count for each of the slices up to the newest one; those before are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slices {
    newest: u32,
    /// By [`place`].
    counts: [u32; LEN],
}

impl Slices {
    /// How many bytes [`Slices::write`] writes.
    pub(super) const WRITTEN_LEN: usize = 4 + 4 * LEN;

    /// One count in one slice.
    pub(super) fn of(slice: u32, count: u32) -> Slices {
        let mut slices = Slices::default();
        slices.add(slice, count);
        slices
    }

    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    pub(super) fn is_zero(&self) -> bool {
        self.counts == [0; LEN]
    }

    /// Whether anything of it counts in `slice`, or will soon. What is newer than that by a window was counted under a
    /// clock that was set back since, or forged.
    pub(super) fn is_live(&self, slice: u32) -> bool {
        distance(slice, self.newest).unsigned_abs() < LEN as u32 && !self.is_zero()
    }

    /// Counts in a slice; no count ever wraps.
    pub(super) fn add(&mut self, slice: u32, count: u32) {
        self.reach(slice);
        self.change(slice, |held| held.saturating_add(count));
    }

    /// Takes back what was counted in a slice, if that is not forgotten.
    pub(super) fn subtract(&mut self, slice: u32, count: u32) {
        self.change(slice, |held| held.saturating_sub(count));
    }

    /// What counts in `slice`: it and the seven before it.
    pub(super) fn sum(&self, slice: u32) -> u64 {
        if !self.is_live(slice) {
            return 0;
        }
        self.each()
            .filter(|(held, _)| distance(slice, *held) < SPAN)
            .map(|(_, count)| u64::from(count))
            .sum()
    }

    /// The count of one slice.
    pub(super) fn get(&self, slice: u32) -> u32 {
        if self.holds(slice) {
            self.counts.get(place(slice)).copied().unwrap_or_default()
        } else {
            0
        }
    }

    /// Of each slice the greater count, of what is live in `slice`.
    pub(super) fn join(&mut self, other: &Slices, slice: u32) {
        if !other.is_live(slice) {
            return;
        }
        if !self.is_live(slice) {
            *self = Slices::default();
        }
        let newest = not_ahead(other.newest, slice);
        if self.is_zero() || distance(newest, self.newest) > 0 {
            self.reach(newest);
        }
        for (slice, count) in other.each() {
            self.change(slice, |held| held.max(count));
        }
    }

    /// Of each slice the sum of both counts.
    pub(super) fn plus(&mut self, other: &Slices) {
        if other.is_zero() {
            return;
        }
        if self.is_zero() {
            *self = *other;
            return;
        }
        if distance(other.newest, self.newest) > 0 {
            self.reach(other.newest);
        }
        for (slice, count) in other.each() {
            self.change(slice, |held| held.saturating_add(count));
        }
    }

    /// What `other` leaves of each slice.
    pub(super) fn minus(&mut self, other: &Slices) {
        for (slice, count) in other.each() {
            self.subtract(slice, count);
        }
    }

    /// Every slice with its count, the newest first.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, u32)> {
        let slices = (0..LEN as u32).map(|back| self.newest.wrapping_sub(back));
        slices.map(|slice| (slice, self.get(slice)))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.newest.to_le_bytes());
        out.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Slices, BundleError> {
        let newest = cursor.u32()?;
        let mut counts = [0; LEN];
        for count in &mut counts {
            *count = cursor.u32()?;
        }
        Ok(Slices { newest, counts })
    }

    fn holds(&self, slice: u32) -> bool {
        (0..SPAN).contains(&distance(self.newest, slice))
    }

    fn change(&mut self, slice: u32, change: impl FnOnce(u32) -> u32) {
        if !self.holds(slice) {
            return;
        }
        if let Some(count) = self.counts.get_mut(place(slice)) {
            *count = change(*count);
        }
    }

    /// Lets the window reach `slice`. After a clock was set back by a window or more, everything begins anew.
    fn reach(&mut self, slice: u32) {
        let ahead = distance(slice, self.newest);
        if ahead.unsigned_abs() >= LEN as u32 || self.is_zero() {
            *self = Slices {
                newest: slice,
                counts: [0; LEN],
            };
            return;
        }
        while distance(slice, self.newest) > 0 {
            self.newest = self.newest.wrapping_add(1);
            let newest = self.newest;
            self.change(newest, |_| 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Near where slice numbers wrap.
    const START: u32 = u32::MAX - 3;

    #[test]
    fn a_window_is_a_slice_and_the_seven_before_it() {
        let mut slices = Slices::default();
        for step in 0..20_u32 {
            let slice = START.wrapping_add(step);
            slices.add(slice, 1);
            assert_eq!(slices.sum(slice), u64::from(step + 1).min(8));
        }
        let last = START.wrapping_add(19);
        let left = |after: u32| slices.sum(last.wrapping_add(after));
        assert_eq!([1, 7, 8, 1 << 31].map(left), [7, 1, 0, 0]);
    }

    #[test]
    fn counts_do_not_wrap() {
        let mut slices = Slices::default();
        slices.add(7, u32::MAX);
        slices.add(7, 5);
        slices.add(8, u32::MAX);
        assert_eq!(slices.sum(8), 2 * u64::from(u32::MAX));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew_beyond_a_window() {
        let mut slices = Slices::default();
        slices.add(100, 3);
        slices.add(95, 1);
        assert_eq!(slices.sum(100), 4, "late by less than a window");
        assert_eq!(slices.sum(92), 0);
        slices.add(92, 1);
        assert_eq!(slices.sum(92), 1);
    }

    #[test]
    fn joining_takes_the_greater_count_whichever_is_newer() {
        let slices = |counts: &[(u32, u32)]| {
            let mut slices = Slices::default();
            for (slice, count) in counts {
                slices.add(*slice, *count);
            }
            slices
        };
        let one = slices(&[(START, 2), (START + 1, 5)]);
        let other = slices(&[(START + 1, 4), (START.wrapping_add(6), 1)]);
        let expected = slices(&[(START, 2), (START + 1, 5), (START.wrapping_add(6), 1)]);
        for (mut into, from) in [(one, other), (other, one)] {
            into.join(&from, START.wrapping_add(6));
            assert_eq!(into, expected);
            into.join(&from, START.wrapping_add(6));
            assert_eq!(into, expected, "joining again changes nothing");
        }
    }
}
