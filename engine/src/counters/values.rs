//! The different values of one key.
//!
//! Up to 32 are kept one by one, and more are estimated. Beside an estimate the latest values are still kept: all whose newest
//! slice is not before some slice. That slice is the earliest for which there is room; so wherever a window has 32 values or less, it has
//! none that is not kept, and the number is exact again.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::registers::{self, Registers};
use super::slices::{self, Slices, distance, not_ahead};
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// So many are kept one by one.
pub(super) const EXACT_MAX: usize = 32;
const VALUE_WRITTEN_LEN: usize = 12;

/// How many bytes the values take in a block, exactly kept or estimated.
pub(super) const EXACT_WRITTEN_LEN_MAX: usize = 1 + EXACT_MAX * VALUE_WRITTEN_LEN;
pub(super) const ESTIMATED_WRITTEN_LEN_MAX: usize =
    1 + registers::WRITTEN_LEN_MAX + 4 + 1 + EXACT_MAX * RECENT_WRITTEN_LEN;
/// Beside an estimate: the hash, and how many slices before the newest.
const RECENT_WRITTEN_LEN: usize = 9;

/// In a block, in place of the number of values.
const ESTIMATED: u8 = u8::MAX;

/// Values by their hashes, each with the newest slice it was in; or an estimate, once there are too many.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    hashes: [u64; EXACT_MAX],
    slices: [u32; EXACT_MAX],
    count: usize,
    /// A bit for each value that the other threads know.
    told: u32,
    registers: Option<Box<Registers>>,
    /// Beside an estimate: of the values whose newest slice is this one or later, all are kept.
    complete_from: u32,
    /// The last estimate, and its slice.
    estimate: Option<(u32, u64)>,
}

/// There are more values than are kept one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Values {
    pub(super) fn is_estimated(&self) -> bool {
        self.registers.is_some()
    }

    /// Estimates from now on.
    pub(super) fn begin_estimate(&mut self, slice: u32) {
        let mut registers = Box::new(Registers::new(slice));
        for (hash, held) in self.kept() {
            registers.add(hash, held);
        }
        self.registers = Some(registers);
        self.complete_from = first_live(slice);
        self.estimate = None;
    }

    /// How many there were in `slice` and the seven before it.
    pub(super) fn number(&mut self, slice: u32) -> u64 {
        self.end_estimate_if_complete(slice);
        let Some(registers) = &self.registers else {
            return count(
                self.kept()
                    .filter(|(_, held)| is_live(*held, slice))
                    .count(),
            );
        };
        match self.estimate {
            Some((held, estimate)) if held == slice => estimate,
            _ => {
                let estimate = registers.estimate(slice);
                self.estimate = Some((slice, estimate));
                estimate
            }
        }
    }

    /// Whether all values that count are kept.
    fn is_complete(&self, slice: u32) -> bool {
        self.registers.is_none() || distance(first_live(slice), self.complete_from) >= 0
    }

    /// Goes on with the values that are kept, if those are all that count.
    pub(super) fn end_estimate_if_complete(&mut self, slice: u32) {
        if self.is_complete(slice) {
            self.registers = None;
        }
    }

    /// The newest slice of any of them.
    pub(super) fn newest(&self) -> Option<u32> {
        let kept = self.kept().map(|(_, slice)| slice);
        let kept = kept.reduce(|one, other| if distance(other, one) > 0 { other } else { one });
        self.registers.as_ref().map(|all| all.newest()).or(kept)
    }

    /// Their number in parts: for each slice the values that no later one has.
    pub(super) fn split(&self) -> Slices {
        self.split_some(u32::MAX)
    }

    /// As [`Values::split`], of those that the other threads know.
    pub(super) fn split_told(&self) -> Slices {
        self.split_some(self.told)
    }

    /// The other threads know them all.
    pub(super) fn set_told(&mut self) {
        self.told = u32::MAX;
    }

    fn split_some(&self, bits: u32) -> Slices {
        if let Some(registers) = &self.registers {
            return registers.split();
        }
        let mut parts = Slices::default();
        if let Some(newest) = self.newest() {
            let bits = (0..).map(|place| bits >> place & 1 == 1);
            let some = self.kept().zip(bits).filter(|(_, is_one)| *is_one);
            let live = some.filter(|((_, slice), _)| is_live(*slice, newest));
            live.for_each(|((_, slice), _)| parts.plus(&Slices::of(slice, 1)));
        }
        parts
    }

    pub(super) fn write(&self, slice: u32, out: &mut Vec<u8>) {
        if let Some(registers) = self.registers.as_ref().filter(|_| !self.is_complete(slice)) {
            out.push(ESTIMATED);
            registers.write(out);
            self.write_recent(registers.newest(), out);
            return;
        }
        let live = || self.kept().filter(|(_, held)| is_live(*held, slice));
        out.push(u8::try_from(live().count()).unwrap_or_default());
        for (hash, slice) in live() {
            out.extend(hash.to_le_bytes());
            out.extend(slice.to_le_bytes());
        }
    }

    /// What is kept beside an estimate.
    fn write_recent(&self, newest: u32, out: &mut Vec<u8>) {
        let behind = |slice| u8::try_from(distance(newest, slice)).ok();
        let recent = || {
            let kept = self.kept();
            let kept = kept.filter_map(|(hash, slice)| Some((hash, behind(slice)?)));
            kept.filter(|(_, behind)| usize::from(*behind) < slices::LEN)
        };
        out.extend(self.complete_from.to_le_bytes());
        out.push(u8::try_from(recent().count()).unwrap_or_default());
        for (hash, behind) in recent() {
            out.extend(hash.to_le_bytes());
            out.push(behind);
        }
    }

    fn read_recent(&mut self, newest: u32, cursor: &mut Cursor<'_>) -> Result<(), BundleError> {
        self.complete_from = cursor.u32()?;
        let count = cursor.u8()?;
        for _ in 0..count {
            let (hash, behind) = (cursor.u64()?, cursor.u8()?);
            if usize::from(count) > EXACT_MAX || usize::from(behind) >= slices::LEN {
                return Err(BundleError::Truncated { what: "values" });
            }
            self.put_new(hash, newest.wrapping_sub(behind.into()))?;
        }
        Ok(())
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Values, BundleError> {
        let mut values = Values::default();
        match cursor.u8()? {
            ESTIMATED => {
                let registers = Box::new(Registers::read(cursor)?);
                values.read_recent(registers.newest(), cursor)?;
                values.registers = Some(registers);
            }
            count if usize::from(count) > EXACT_MAX => {
                return Err(BundleError::Truncated { what: "values" });
            }
            count => {
                for _ in 0..count {
                    let (hash, slice) = (cursor.u64()?, cursor.u32()?);
                    values.put_new(hash, slice)?;
                }
            }
        }
        Ok(values)
    }

    /// As if all of `other` had been noted here, unless there are too many of them to be kept one by one. False if that
    /// changes nothing.
    pub(super) fn join(&mut self, other: &Values, slice: u32) -> Result<bool, TooMany> {
        let estimated = other.registers.as_ref();
        let Some(theirs) = estimated.filter(|_| !other.is_complete(slice)) else {
            let mut has_changed = false;
            for (hash, held) in other.kept().filter(|(_, held)| is_live(*held, slice)) {
                has_changed |= self.note(hash, not_ahead(held, slice))?;
            }
            return Ok(has_changed);
        };
        let Some(registers) = &mut self.registers else {
            return Err(TooMany);
        };
        let mut has_changed = registers.join(theirs, slice);
        if has_changed {
            self.estimate = None;
        }
        // Nobody has reason to leave out what is still to come.
        let complete_from = not_ahead(other.complete_from, slice.wrapping_add(1));
        if distance(complete_from, self.complete_from) > 0 {
            self.keep_from(complete_from);
        }
        for (hash, held) in other.kept() {
            has_changed |= self.keep_recent(hash, not_ahead(held, slice));
        }
        Ok(has_changed)
    }

    /// Notes a value, which may be older than others. False if that changes nothing.
    pub(super) fn note(&mut self, hash: u64, slice: u32) -> Result<bool, TooMany> {
        if let Some(registers) = &mut self.registers {
            let has_changed = registers.add(hash, slice);
            if has_changed {
                self.estimate = None;
            }
            return Ok(self.keep_recent(hash, slice) || has_changed);
        }
        match self.renew(hash, slice) {
            Some(is_later) => Ok(is_later),
            None => self.keep(hash, slice).map(|()| true),
        }
    }

    /// A value that is kept was in that slice, too. False if that is not its newest; nothing if it is not kept.
    fn renew(&mut self, hash: u64, slice: u32) -> Option<bool> {
        let (_, held) = self.kept_mut().find(|(held, _)| **held == hash)?;
        let is_later = distance(slice, *held) > 0;
        if is_later {
            *held = slice;
        }
        Some(is_later)
    }

    /// Keeps a value beside an estimate, if it is one of the latest. False if that changes nothing.
    fn keep_recent(&mut self, hash: u64, slice: u32) -> bool {
        if distance(slice, self.complete_from) < 0 {
            return false;
        }
        if let Some(is_later) = self.renew(hash, slice) {
            return is_later;
        }
        while self.count == EXACT_MAX && distance(slice, self.complete_from) >= 0 {
            let all = self.kept().map(|(_, held)| held).chain([slice]);
            let earlier = |one, other| if distance(other, one) < 0 { other } else { one };
            let oldest = all.reduce(earlier).unwrap_or(slice);
            self.keep_from(oldest.wrapping_add(1));
        }
        if distance(slice, self.complete_from) >= 0 {
            self.put(hash, slice);
        }
        true
    }

    /// Keeps no values that are older.
    fn keep_from(&mut self, complete_from: u32) {
        let (hashes, slices, count) = (self.hashes, self.slices, self.count);
        self.count = 0;
        for (hash, slice) in hashes.into_iter().zip(slices).take(count) {
            if distance(slice, complete_from) >= 0 {
                self.put(hash, slice);
            }
        }
        self.complete_from = complete_from;
    }

    /// Keeps a value in place of those that are older by a window, if there is no other room.
    fn keep(&mut self, hash: u64, slice: u32) -> Result<(), TooMany> {
        if self.count == EXACT_MAX {
            let all = core::mem::take(self);
            let live = all.kept().filter(|(_, held)| distance(slice, *held) < 8);
            live.for_each(|(hash, slice)| self.put(hash, slice));
        }
        if self.count == EXACT_MAX {
            return Err(TooMany);
        }
        self.put(hash, slice);
        Ok(())
    }

    /// Of a block, where each value stands once: one that stood there twice would be taken off twice and added once.
    fn put_new(&mut self, hash: u64, slice: u32) -> Result<(), BundleError> {
        if self.kept().any(|(held, _)| held == hash) {
            return Err(BundleError::BadValue { what: "values" });
        }
        self.put(hash, slice);
        Ok(())
    }

    fn put(&mut self, hash: u64, slice: u32) {
        let place = (
            self.hashes.get_mut(self.count),
            self.slices.get_mut(self.count),
        );
        if let (Some(held_hash), Some(held_slice)) = place {
            (*held_hash, *held_slice) = (hash, slice);
            self.told &= !(1 << self.count);
            self.count += 1;
        }
    }

    fn kept(&self) -> impl Iterator<Item = (u64, u32)> {
        let kept = self.hashes.iter().zip(&self.slices).take(self.count);
        kept.map(|(hash, slice)| (*hash, *slice))
    }

    fn kept_mut(&mut self) -> impl Iterator<Item = (&mut u64, &mut u32)> {
        self.hashes
            .iter_mut()
            .zip(&mut self.slices)
            .take(self.count)
    }
}

/// The first slice of the window that `slice` ends.
fn first_live(slice: u32) -> u32 {
    slice.wrapping_sub(slices::LEN as u32 - 1)
}

fn is_live(held: u32, slice: u32) -> bool {
    distance(slice, held).unsigned_abs() < 8
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
