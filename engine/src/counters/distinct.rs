//! A shard of a counter of different values: the keys that are kept apart, and what is left of the others.

use alloc::vec::Vec;

use super::sketch::Sketch;
use super::slices::{Slices, distance};
use super::values::{self, TooMany, Values};
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// How many keys a shard keeps apart.
pub(super) const KEYS_MAX: usize = 12;
/// How many of them may have so many values that they are estimated.
const ESTIMATED_MAX: usize = 4;
const SKETCH_WIDTH: usize = 8;

/// How many bytes a full shard takes in a block.
pub(super) const WRITTEN_LEN_MAX: usize = 8
    + KEYS_MAX * (8 + Slices::WRITTEN_LEN)
    + ESTIMATED_MAX * values::ESTIMATED_WRITTEN_LEN_MAX
    + (KEYS_MAX - ESTIMATED_MAX) * values::EXACT_WRITTEN_LEN_MAX
    + Sketch::cell_count(SKETCH_WIDTH) * Sketch::CELL_WRITTEN_LEN;

/// A shard.
#[derive(Debug)]
pub(super) struct Distinct {
    entries: Vec<Entry>,
    sketch: Sketch,
    clock: u32,
    has_changed: bool,
    pub(super) evicted: u32,
}

#[derive(Debug, Clone)]
struct Entry {
    key: u64,
    /// How many values there were when the key was evicted before: which ones is not known any more.
    before: Slices,
    values: Values,
    seen: u32,
}

impl Distinct {
    pub(super) fn new() -> Distinct {
        Distinct {
            entries: Vec::with_capacity(KEYS_MAX),
            sketch: Sketch::new(SKETCH_WIDTH),
            clock: 0,
            has_changed: false,
            evicted: 0,
        }
    }

    /// The most memory that a shard takes.
    pub(super) fn memory_bytes() -> usize {
        KEYS_MAX * size_of::<Entry>()
            + ESTIMATED_MAX * size_of::<super::registers::Registers>()
            + Sketch::cell_count(SKETCH_WIDTH) * size_of::<Slices>()
    }

    /// Notes a value of a key.
    pub(super) fn count(&mut self, key: u64, value: u64, slice: u32) {
        self.clock = self.clock.wrapping_add(1);
        let place = self.place(key).unwrap_or_else(|| {
            let before = self.sketch.estimate(key, slice);
            self.insert(key, before, slice)
        });
        let seen = self.clock;
        let Some(entry) = self.entries.get_mut(place) else {
            return;
        };
        entry.seen = seen;
        entry.forget_unless_live(slice);
        match entry.values.note(value, slice) {
            Ok(has_changed) => self.has_changed |= has_changed,
            Err(TooMany) => {
                self.has_changed = true;
                if let Some(entry) = self.estimated(key, slice) {
                    // What is estimated takes any number of values.
                    let _ = entry.values.note(value, slice);
                }
            }
        }
    }

    pub(super) fn read(&mut self, key: u64, slice: u32) -> u64 {
        self.clock = self.clock.wrapping_add(1);
        let seen = self.clock;
        let entry = self
            .place(key)
            .and_then(|place| self.entries.get_mut(place));
        match entry {
            Some(entry) => {
                entry.seen = seen;
                entry.number(slice)
            }
            None => self.sketch.estimate(key, slice).sum(slice),
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    pub(super) fn set_told(&mut self) {
        self.has_changed = false;
        let all = self.entries.iter_mut();
        all.for_each(|entry| entry.values.set_told());
    }

    pub(super) fn set_untold(&mut self) {
        self.has_changed = true;
    }

    pub(super) fn write(&self, slice: u32, out: &mut Vec<u8>) {
        let live = || self.entries.iter().filter(|entry| entry.is_live(slice));
        let entries = u32::try_from(live().count()).unwrap_or_default();
        out.extend(entries.to_le_bytes());
        for entry in live() {
            out.extend(entry.key.to_le_bytes());
            entry.before.write(out);
            entry.values.write(slice, out);
        }
        let start = out.len();
        out.extend([0; 4]);
        let cells = self.sketch.write(slice, out);
        let head = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
        if let Some(head) = head {
            *head = cells.to_le_bytes();
        }
    }

    /// Takes in what the others know, as [`Distinct::write`] wrote it.
    pub(super) fn join_written(
        &mut self,
        cursor: &mut Cursor<'_>,
        slice: u32,
    ) -> Result<(), BundleError> {
        let entries = cursor.u32()?;
        if entries as usize > KEYS_MAX {
            return Err(BundleError::Truncated { what: "values" });
        }
        // What the others keep apart, by its key.
        let mut theirs_are = [0; KEYS_MAX];
        for slot in theirs_are.iter_mut().take(entries as usize) {
            let mut theirs = Entry {
                key: cursor.u64()?,
                before: Slices::read(cursor)?,
                values: Values::read(cursor)?,
                seen: self.clock,
            };
            // From here on it is either an estimate or its values, for what is taken off as for what is joined.
            theirs.values.end_estimate_if_complete(slice);
            if theirs.is_live(slice) {
                *slot = theirs.key;
                self.join_entry(theirs, slice);
            }
        }
        let cells = cursor.u32()?;
        self.sketch.join_written(cursor, cells, slice)?;
        if cells > 0 {
            self.raise(&theirs_are, slice);
        }
        Ok(())
    }

    /// What the others do not keep apart they may have evicted: the sketch knows how many values there were by then, and
    /// those that they were told of are among them.
    fn raise(&mut self, theirs_are: &[u64; KEYS_MAX], slice: u32) {
        for entry in &mut self.entries {
            if !theirs_are.contains(&entry.key) {
                let mut evicted = self.sketch.estimate(entry.key, slice);
                evicted.minus(&entry.values.split_told());
                entry.before.join(&evicted, slice);
            }
        }
    }

    fn join_entry(&mut self, theirs: Entry, slice: u32) {
        let key = theirs.key;
        if let Some(held) = self
            .place(key)
            .and_then(|place| self.entries.get_mut(place))
        {
            held.forget_unless_live(slice);
            held.before.join(&theirs.before, slice);
            self.join_values(key, &theirs.values, slice);
            return;
        }
        if self.entries.len() == KEYS_MAX && !self.gives_way(&theirs, slice) {
            let all = theirs.parts();
            if self.sketch.note(key, &all, slice) {
                self.note_eviction();
            }
            return;
        }
        // The sketch may know more of the key than the others do, and knows at least part of it twice then.
        let mut before = self.sketch.estimate(key, slice);
        before.minus(&theirs.values.split());
        before.join(&theirs.before, slice);
        self.insert(key, before, slice);
        self.join_values(key, &theirs.values, slice);
    }

    fn join_values(&mut self, key: u64, theirs: &Values, slice: u32) {
        let entry = self
            .place(key)
            .and_then(|place| self.entries.get_mut(place));
        if entry.is_some_and(|entry| entry.values.join(theirs, slice) == Err(TooMany))
            && let Some(entry) = self.estimated(key, slice)
        {
            let _ = entry.values.join(theirs, slice);
        }
    }

    /// Whether some key was seen before this one.
    fn gives_way(&self, theirs: &Entry, slice: u32) -> bool {
        let oldest = self
            .oldest(slice, |_| true)
            .and_then(|place| self.entries.get(place));
        oldest.is_some_and(|oldest| {
            !oldest.is_live(slice) || distance(theirs.newest(), oldest.newest()) > 0
        })
    }

    /// The entry of a key, made to estimate; at most [`ESTIMATED_MAX`] do.
    fn estimated(&mut self, key: u64, slice: u32) -> Option<&mut Entry> {
        let place = self.place(key)?;
        let entry = self.entries.get_mut(place)?;
        entry.values.begin_estimate(slice);
        self.keep_estimates_few(key, slice);
        let place = self.place(key)?;
        self.entries.get_mut(place)
    }

    /// Evicts the oldest key that is estimated, if that is one too many; `key` itself stays.
    fn keep_estimates_few(&mut self, key: u64, slice: u32) {
        let estimated = self
            .entries
            .iter()
            .filter(|entry| entry.values.is_estimated());
        if estimated.count() > ESTIMATED_MAX
            && let Some(place) = self.oldest(slice, |entry| {
                entry.values.is_estimated() && entry.key != key
            })
        {
            self.evict(place, slice);
        }
    }

    /// Puts a new key, without values, where there is room for it.
    fn insert(&mut self, key: u64, before: Slices, slice: u32) -> usize {
        if self.entries.len() == KEYS_MAX
            && let Some(place) = self.oldest(slice, |_| true)
        {
            self.evict(place, slice);
        }
        self.entries.push(Entry {
            key,
            before,
            values: Values::default(),
            seen: self.clock,
        });
        self.entries.len() - 1
    }

    fn evict(&mut self, place: usize, slice: u32) {
        let entry = self.entries.swap_remove(place);
        if entry.is_live(slice) {
            self.sketch.note(entry.key, &entry.parts(), slice);
            self.note_eviction();
        }
    }

    fn note_eviction(&mut self) {
        self.evicted = self.evicted.saturating_add(1);
        self.has_changed = true;
    }

    fn oldest(&self, slice: u32, may_go: impl Fn(&Entry) -> bool) -> Option<usize> {
        let places = self.entries.iter().enumerate();
        let places = places.filter(|(_, entry)| may_go(entry));
        let oldest = places.max_by_key(|(_, entry)| {
            let behind = distance(slice, entry.newest());
            let unseen = self.clock.wrapping_sub(entry.seen);
            (!entry.is_live(slice), behind, unseen)
        });
        oldest.map(|(place, _)| place)
    }

    fn place(&self, key: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }
}

impl Entry {
    fn number(&mut self, slice: u32) -> u64 {
        self.before
            .sum(slice)
            .saturating_add(self.values.number(slice))
    }

    fn newest(&self) -> u32 {
        let before = self.before.newest();
        match self.values.newest() {
            Some(newest) if self.before.is_zero() || distance(newest, before) > 0 => newest,
            _ => before,
        }
    }

    /// What does not count any more, or was counted under a clock that was set back since.
    fn forget_unless_live(&mut self, slice: u32) {
        if !self.is_live(slice) {
            self.before = Slices::default();
            self.values = Values::default();
        }
    }

    fn is_live(&self, slice: u32) -> bool {
        distance(slice, self.newest()).unsigned_abs() < 8
    }

    /// The number in parts, as the sketch takes it.
    fn parts(&self) -> Slices {
        let mut parts = self.values.split();
        parts.plus(&self.before);
        parts
    }
}
