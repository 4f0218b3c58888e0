//! A shard of a counter of events: the keys that are kept apart, and what is left of the others.

use alloc::vec;
use alloc::vec::Vec;

use super::sketch::Sketch;
use super::slices::{Slices, distance};
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// Keys of a bucket.
const WAYS: usize = 8;
/// So many that a full block is within the limit.
const BUCKETS_MAX: usize = 39;
/// Cells in a row of the sketch.
const SKETCH_WIDTH: usize = 16;
/// Events of so many keys, or slices of keys, wait to be told to the others.
const PENDING_MAX: usize = 64;
/// Beyond this the shard asks for that.
const PENDING_MANY: usize = PENDING_MAX / 2;

/// How many keys a shard keeps apart at most.
pub(super) const KEYS_MAX: usize = BUCKETS_MAX * WAYS;
const ENTRY_WRITTEN_LEN: usize = 8 + Slices::WRITTEN_LEN;
/// How many bytes a full shard takes in a block.
pub(super) const WRITTEN_LEN_MAX: usize =
    8 + KEYS_MAX * ENTRY_WRITTEN_LEN + Sketch::cell_count(SKETCH_WIDTH) * Sketch::CELL_WRITTEN_LEN;

/// A shard. A key is in one of two buckets; the counts of its entry are all of its counts, also those of other threads.
#[derive(Debug)]
pub(super) struct Counts {
    /// Bucket by bucket.
    entries: Vec<Entry>,
    sketch: Sketch,
    /// What this thread has counted and the others do not know.
    pending: Vec<Pending>,
    /// Counts events: the time by which entries are old.
    clock: u32,
    has_changed: bool,
    pub(super) evicted: u32,
    pub(super) untold: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// 0 if there is none.
    key: u64,
    slices: Slices,
    seen: u32,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    key: u64,
    slice: u32,
    count: u32,
}

impl Counts {
    /// A shard that keeps `keys` keys apart at least.
    pub(super) fn new(keys: usize) -> Counts {
        let len = keys.div_ceil(WAYS).clamp(1, BUCKETS_MAX) * WAYS;
        Counts {
            entries: vec![Entry::default(); len],
            sketch: Sketch::new(SKETCH_WIDTH),
            pending: Vec::new(),
            clock: 0,
            has_changed: false,
            evicted: 0,
            untold: 0,
        }
    }

    /// The most memory that a shard of that size takes.
    pub(super) fn memory_bytes(keys: usize) -> usize {
        keys.div_ceil(WAYS).clamp(1, BUCKETS_MAX) * WAYS * size_of::<Entry>()
            + Sketch::cell_count(SKETCH_WIDTH) * size_of::<Slices>()
            + PENDING_MAX * size_of::<Pending>()
    }

    /// Notes an event; one that others are to know of waits for that.
    pub(super) fn count(&mut self, key: u64, slice: u32, is_shared: bool) {
        self.change(key, slice, |slices| slices.add(slice, 1));
        if is_shared {
            self.wait(key, slice);
        }
    }

    pub(super) fn read(&mut self, key: u64, slice: u32) -> u64 {
        let seen = self.tick();
        if let Some(entry) = self.entry_mut(key) {
            entry.seen = seen;
            return entry.slices.sum(slice);
        }
        self.sketch.estimate(key, slice).sum(slice)
    }

    /// Whether the others do not know all of it.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Whether they should know soon.
    pub(super) fn is_urgent(&self) -> bool {
        self.pending.len() >= PENDING_MANY
    }

    /// The others know all of it.
    pub(super) fn set_told(&mut self) {
        self.pending.clear();
        self.has_changed = false;
    }

    /// The others know nothing of it.
    pub(super) fn set_untold(&mut self) {
        self.has_changed = true;
    }

    pub(super) fn write(&self, slice: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; 8]);
        let mut entries = 0_u32;
        for entry in self.entries.iter().filter(|entry| entry.is_live(slice)) {
            out.extend(entry.key.to_le_bytes());
            entry.slices.write(out);
            entries += 1;
        }
        let cells = self.sketch.write(slice, out);
        let head = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
        if let Some(head) = head {
            let [a, b, c, d] = entries.to_le_bytes();
            let [e, f, g, h] = cells.to_le_bytes();
            *head = [a, b, c, d, e, f, g, h];
        }
    }

    /// Takes in what the others know, as [`Counts::write`] wrote it: what they counted is then what this thread knew
    /// before, or more, and what waits comes on top of it.
    pub(super) fn join_written(
        &mut self,
        cursor: &mut Cursor<'_>,
        slice: u32,
    ) -> Result<(), BundleError> {
        let (entries, cells) = (cursor.u32()?, cursor.u32()?);
        if entries as usize > KEYS_MAX {
            return Err(BundleError::Truncated { what: "counts" });
        }
        let pending = core::mem::take(&mut self.pending);
        for waits in &pending {
            if let Some(entry) = self.entry_mut(waits.key) {
                entry.slices.subtract(waits.slice, waits.count);
            }
        }
        let joined = self.join_parts(cursor, entries, cells, slice);
        for waits in &pending {
            let late = Slices::of(waits.slice, waits.count);
            if late.is_live(slice) {
                self.change(waits.key, slice, |slices| slices.plus(&late));
            }
        }
        self.pending = pending;
        joined
    }

    fn join_parts(
        &mut self,
        cursor: &mut Cursor<'_>,
        entries: u32,
        cells: u32,
        slice: u32,
    ) -> Result<(), BundleError> {
        let mut is_theirs = [false; KEYS_MAX];
        for _ in 0..entries {
            let (key, theirs) = (cursor.u64()?, Slices::read(cursor)?);
            if key == 0 || !theirs.is_live(slice) {
                continue;
            }
            let place = self.join_entry(key, &theirs, slice);
            if let Some(flag) = place.and_then(|place| is_theirs.get_mut(place)) {
                *flag = true;
            }
        }
        self.sketch.join_written(cursor, cells, slice)?;
        if cells > 0 {
            self.raise(&is_theirs, slice);
        }
        Ok(())
    }

    /// What the others do not keep apart they may have evicted: the sketch knows what they had counted by then.
    fn raise(&mut self, is_theirs: &[bool; KEYS_MAX], slice: u32) {
        let entries = self.entries.iter_mut().zip(is_theirs);
        for (entry, _) in entries.filter(|(entry, is_theirs)| entry.key != 0 && !**is_theirs) {
            let evicted = self.sketch.estimate(entry.key, slice);
            entry.slices.join(&evicted, slice);
        }
    }

    /// Takes in the counts of a key, and says where they are if it is kept apart.
    fn join_entry(&mut self, key: u64, theirs: &Slices, slice: u32) -> Option<usize> {
        if let Some(place) = self.place(key) {
            self.entries.get_mut(place)?.slices.join(theirs, slice);
            return Some(place);
        }
        let place = self.oldest_place(key, slice)?;
        let oldest = self.entries.get(place)?;
        if oldest.is_live(slice) && distance(theirs.newest(), oldest.slices.newest()) <= 0 {
            if self.sketch.note(key, theirs, slice) {
                self.note_eviction();
            }
            return None;
        }
        let mut slices = self.sketch.estimate(key, slice);
        slices.join(theirs, slice);
        self.replace(place, key, slices, slice);
        Some(place)
    }

    /// Changes the counts of a key, which begins with what is left of it if it was evicted.
    fn change(&mut self, key: u64, slice: u32, change: impl FnOnce(&mut Slices)) {
        let seen = self.tick();
        if let Some(entry) = self.entry_mut(key) {
            change(&mut entry.slices);
            entry.seen = seen;
            return;
        }
        let mut slices = self.sketch.estimate(key, slice);
        change(&mut slices);
        if let Some(place) = self.oldest_place(key, slice) {
            self.replace(place, key, slices, slice);
        }
    }

    fn wait(&mut self, key: u64, slice: u32) {
        self.has_changed = true;
        let mut waiting = self.pending.iter_mut();
        let held = waiting.find(|waits| (waits.key, waits.slice) == (key, slice));
        if let Some(waits) = held {
            waits.count = waits.count.saturating_add(1);
        } else if self.pending.len() < PENDING_MAX {
            self.pending.reserve_exact(PENDING_MAX - self.pending.len());
            let count = 1;
            self.pending.push(Pending { key, slice, count });
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// Puts a key where another one was, which the sketch goes on to know.
    fn replace(&mut self, place: usize, key: u64, slices: Slices, slice: u32) {
        let seen = self.clock;
        let Some(entry) = self.entries.get_mut(place) else {
            return;
        };
        let before = core::mem::replace(entry, Entry { key, slices, seen });
        if before.is_live(slice) {
            self.sketch.note(before.key, &before.slices, slice);
            self.note_eviction();
        }
    }

    fn note_eviction(&mut self) {
        self.evicted = self.evicted.saturating_add(1);
        self.has_changed = true;
    }

    fn entry_mut(&mut self, key: u64) -> Option<&mut Entry> {
        let place = self.place(key)?;
        self.entries.get_mut(place)
    }

    fn place(&self, key: u64) -> Option<usize> {
        self.buckets(key).into_iter().find_map(|start| {
            let bucket = self.entries.get(start..start + WAYS)?;
            let place = bucket.iter().position(|entry| entry.key == key)?;
            Some(start + place)
        })
    }

    /// Where a new key goes: a free place, or that of the key that was seen longest ago.
    fn oldest_place(&self, key: u64, slice: u32) -> Option<usize> {
        let buckets = self.buckets(key);
        let is_free = |place: &usize| {
            let entry = self.entries.get(*place);
            entry.is_some_and(|entry| !entry.is_live(slice))
        };
        let free = buckets.map(|start| (start..start + WAYS).filter(is_free).count());
        let [one, other] = buckets;
        // The emptier bucket, so that both are full only once nearly all are.
        let start = if free.first() >= free.last() {
            one
        } else {
            other
        };
        let place = (start..start + WAYS).find(is_free);
        place.or_else(|| {
            let places = (one..one + WAYS).chain(other..other + WAYS);
            places.max_by_key(|place| self.age(*place, slice))
        })
    }

    /// How long ago a key was seen: by its slices, which all threads know, and within one by the events of this thread.
    fn age(&self, place: usize, slice: u32) -> Option<(i32, u32)> {
        let entry = self.entries.get(place)?;
        let behind = distance(slice, entry.slices.newest());
        Some((behind, self.clock.wrapping_sub(entry.seen)))
    }

    /// Where the two buckets of a key begin. The upper half of the key chose the shard.
    fn buckets(&self, key: u64) -> [usize; 2] {
        let count = self.entries.len() / WAYS;
        let [a, b, c, d, ..] = key.to_le_bytes();
        [[a, b], [c, d]].map(|half| {
            let bucket = (usize::from(u16::from_le_bytes(half)) * count) >> u16::BITS;
            bucket * WAYS
        })
    }

    fn tick(&mut self) -> u32 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }
}

impl Entry {
    fn is_live(&self, slice: u32) -> bool {
        self.key != 0 && self.slices.is_live(slice)
    }
}
