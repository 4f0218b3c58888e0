//! The different values of one key.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::registers::{self, Registers};
use super::slices::{Slices, distance, not_ahead};
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// So many are kept one by one.
pub(super) const EXACT_MAX: usize = 32;
const VALUE_WRITTEN_LEN: usize = 12;

/// How many bytes the values take in a block, exactly kept or estimated.
pub(super) const EXACT_WRITTEN_LEN_MAX: usize = 1 + EXACT_MAX * VALUE_WRITTEN_LEN;
pub(super) const ESTIMATED_WRITTEN_LEN_MAX: usize = 1 + registers::WRITTEN_LEN_MAX;

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
        *self = Values {
            registers: Some(registers),
            ..Values::default()
        };
    }

    /// How many there were in `slice` and the seven before it.
    pub(super) fn number(&mut self, slice: u32) -> u64 {
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
        if let Some(registers) = &self.registers {
            out.push(ESTIMATED);
            registers.write(out);
            return;
        }
        let live = || self.kept().filter(|(_, held)| is_live(*held, slice));
        out.push(u8::try_from(live().count()).unwrap_or_default());
        for (hash, slice) in live() {
            out.extend(hash.to_le_bytes());
            out.extend(slice.to_le_bytes());
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Values, BundleError> {
        let mut values = Values::default();
        match cursor.u8()? {
            ESTIMATED => values.registers = Some(Box::new(Registers::read(cursor)?)),
            count if usize::from(count) > EXACT_MAX => {
                return Err(BundleError::Truncated { what: "values" });
            }
            count => {
                for _ in 0..count {
                    let (hash, slice) = (cursor.u64()?, cursor.u32()?);
                    values.put(hash, slice);
                }
            }
        }
        Ok(values)
    }

    /// As if all of `other` had been noted here, unless there are too many of them to be kept one by one. False if that
    /// changes nothing.
    pub(super) fn join(&mut self, other: &Values, slice: u32) -> Result<bool, TooMany> {
        let Some(theirs) = &other.registers else {
            let mut has_changed = false;
            for (hash, held) in other.kept().filter(|(_, held)| is_live(*held, slice)) {
                has_changed |= self.note(hash, not_ahead(held, slice))?;
            }
            return Ok(has_changed);
        };
        let Some(registers) = &mut self.registers else {
            return Err(TooMany);
        };
        let has_changed = registers.join(theirs, slice);
        if has_changed {
            self.estimate = None;
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
            return Ok(has_changed);
        }
        let held = self.kept_mut().find(|(held, _)| **held == hash);
        if let Some((_, held)) = held {
            let is_later = distance(slice, *held) > 0;
            if is_later {
                *held = slice;
            }
            return Ok(is_later);
        }
        self.keep(hash, slice).map(|()| true)
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

fn is_live(held: u32, slice: u32) -> bool {
    distance(slice, held).unsigned_abs() < 8
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
