//! What a VM knows of the shared blocks of one counter.

use super::areas::Area;

/// After so many ticks a VM looks whether the area is still the counter's.
const TICKS_OF_CLAIM: u32 = 50;

#[derive(Debug, Default)]
pub(super) struct Sharing {
    area: Option<Area>,
    /// The version of each block that this VM has taken in.
    known: Vec<u32>,
    /// The version of each block that is shared.
    pub(super) shared: Vec<u32>,
    /// Blocks that this VM has written since it wrote the index.
    written: Vec<u32>,
    /// The block that is read next though nothing says that it has changed.
    swept: u32,
    /// The block that is looked at first.
    pub(super) first: u32,
    ticks: u32,
    /// Whether the counter's place was asked for since the last tick.
    has_settled_early: bool,
}

impl Sharing {
    pub(super) fn new(blocks: u32) -> Sharing {
        Sharing {
            known: vec![0; blocks as usize],
            shared: vec![0; blocks as usize],
            ..Sharing::default()
        }
    }

    /// The counter's area, unless it is time to look again whose it is.
    pub(super) fn area(&mut self) -> Option<Area> {
        self.ticks = self.ticks.wrapping_add(1);
        self.has_settled_early = false;
        self.area
            .filter(|_| !self.ticks.is_multiple_of(TICKS_OF_CLAIM))
    }

    /// Whether to ask for the counter's place before the next tick does: once between two, so that requests cannot make a VM do
    /// it again and again where there is none.
    pub(super) fn may_settle_early(&mut self) -> bool {
        !std::mem::replace(&mut self.has_settled_early, true)
    }

    pub(super) fn held_area(&self) -> Option<Area> {
        self.area
    }

    /// The counter is in an area from now on. True if it was in another one before, or nowhere.
    pub(super) fn set_area(&mut self, area: Option<Area>) -> bool {
        let is_new = self.area != area;
        self.area = area;
        if is_new {
            self.forget();
        }
        is_new
    }

    /// The area is empty.
    pub(super) fn forget(&mut self) {
        self.known.fill(0);
        self.written.clear();
    }

    /// Whether the shared block is one that this VM has not taken in.
    pub(super) fn has_news(&self, block: u32) -> bool {
        self.known.get(block as usize) != self.shared.get(block as usize)
    }

    /// This VM has taken in what the index says is shared, or what is newer.
    pub(super) fn set_known(&mut self, block: u32) {
        let shared = self.shared.get(block as usize).copied();
        if let (Some(known), Some(shared)) = (self.known.get_mut(block as usize), shared) {
            *known = shared;
        }
    }

    pub(super) fn set_written(&mut self, block: u32) {
        if !self.written.contains(&block) {
            self.written.push(block);
        }
    }

    pub(super) fn has_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// What the index becomes by what this VM wrote.
    pub(super) fn versions_after(&self, versions: &mut [u32]) {
        for block in &self.written {
            if let Some(version) = versions.get_mut(*block as usize) {
                *version = version.wrapping_add(1).max(1);
            }
        }
    }

    /// The index was written: it said `before`, and says `after` now. What this VM wrote it knows, unless somebody else
    /// wrote it, too.
    pub(super) fn set_told(&mut self, before: &[u32], after: &[u32]) {
        for block in self.written.drain(..) {
            let place = block as usize;
            let is_alone = self.shared.get(place) == before.get(place);
            let versions = self.known.get_mut(place).zip(after.get(place));
            if let Some((known, after)) = versions.filter(|_| is_alone) {
                *known = *after;
            }
        }
    }

    /// Another block each time, so that each has its turn.
    pub(super) fn next_swept(&mut self) -> u32 {
        let blocks = u32::try_from(self.known.len()).unwrap_or(u32::MAX).max(1);
        self.swept = (self.swept + 1) % blocks;
        self.swept
    }
}
