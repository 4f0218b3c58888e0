//! One round of exchange with shared data.

use super::areas::{Area, Directory, Exhausted};
use super::{Counter, PREFIX, Surroundings, index};
use crate::config::Config;
use crate::host::HostError;
use crate::metrics::Metric;
use std::fmt::Write as _;

/// How often something is tried again when another VM was faster. What fails then waits for the next tick.
const TRIES: u32 = 4;
/// At most so many blocks are read a tick.
const BLOCKS_MAX: u32 = 256;
/// No directory, index or block is longer, in bytes.
const VALUE_LEN_MAX: usize = 1 << 20;
/// No block is begun after so many bytes were read and written in a tick: about a millisecond.
const BYTES_MAX: usize = 1 << 20;

/// Memory that is used again.
#[derive(Default)]
pub(super) struct Buffers {
    name: String,
    value: Vec<u8>,
    written: Vec<u8>,
    before: Vec<u32>,
    after: Vec<u32>,
}

pub(super) struct Exchange<'e> {
    around: &'e Surroundings<'e>,
    buffers: &'e mut Buffers,
    blocks_left: u32,
    bytes_left: usize,
}

impl<'e> Exchange<'e> {
    pub(super) fn new(around: &'e Surroundings<'e>, buffers: &'e mut Buffers) -> Exchange<'e> {
        Exchange {
            around,
            buffers,
            blocks_left: 0,
            bytes_left: 0,
        }
    }

    /// Allows the work of one of so many counters in a tick, beside what those before it left undone.
    pub(super) fn allow_one_of(&mut self, counters: usize) {
        let blocks = u32::try_from(counters).map_or(1, |counters| BLOCKS_MAX / counters.max(1));
        self.blocks_left += blocks.max(1);
        self.bytes_left += (BYTES_MAX / counters.max(1)).max(1);
    }

    /// Takes in what others have counted, and tells what this VM has.
    pub(super) fn counter(&mut self, counter: &mut Counter) {
        let done = self.exchange(counter);
        self.note_failure(done);
    }

    /// Tells one block, and takes in what others have counted in it. A counter that is nowhere yet, because no tick came since
    /// it is counted here, is given its place first.
    pub(super) fn one_block(&mut self, counter: &mut Counter, block: u32) {
        let area = match counter.sharing.held_area() {
            None if counter.sharing.may_settle_early() => self.settle(counter),
            held => Ok(held),
        };
        let done = area.and_then(|area| match area {
            Some(area) => {
                self.block(counter, area, block)?;
                self.tell_index(counter, area)
            }
            None => Ok(()),
        });
        self.note_failure(done);
    }

    fn exchange(&mut self, counter: &mut Counter) -> Result<(), HostError> {
        let Some(area) = self.area(counter)? else {
            return Ok(());
        };
        if !self.read_index(counter, area)? {
            // Somebody erased it, or it is another counter's by now.
            counter.sharing.set_area(None);
            return Ok(());
        }
        let (count, first) = (counter.table.block_count(), counter.sharing.first);
        counter.sharing.first = 0;
        let swept = counter.sharing.next_swept();
        let mut done = Ok(());
        for block in (first..count).chain(0..first) {
            let is_due = counter.sharing.has_news(block) || counter.table.has_changed(block);
            if !is_due && block != swept {
                continue;
            }
            if self.blocks_left == 0 || self.bytes_left == 0 {
                counter.sharing.first = block;
                break;
            }
            done = self.block(counter, area, block);
            if done.is_err() {
                // One that fails again and again is the last of the next tick.
                counter.sharing.first = (block + 1) % count;
                break;
            }
        }
        done.and(self.tell_index(counter, area))
    }

    /// Where the counter is, by what this VM knows or by the directory.
    fn area(&mut self, counter: &mut Counter) -> Result<Option<Area>, HostError> {
        match counter.sharing.area() {
            None => self.settle(counter),
            held => Ok(held),
        }
    }

    /// Finds or gives the counter its place. A new one begins empty, whatever is there: what this VM knows it tells again.
    fn settle(&mut self, counter: &mut Counter) -> Result<Option<Area>, HostError> {
        let Some(area) = self.claim(counter)? else {
            return Ok(None);
        };
        if counter.sharing.set_area(Some(area)) {
            let blocks = 0..counter.table.block_count();
            blocks.for_each(|block| counter.table.set_untold(block));
            self.begin_index(counter, area)?;
        }
        Ok(Some(area))
    }

    fn claim(&mut self, counter: &Counter) -> Result<Option<Area>, HostError> {
        let now_s = u64::try_from(self.around.time_us / 1_000_000).unwrap_or_default();
        let identity = counter.table.definition().identity;
        for _ in 0..TRIES {
            self.name(None, &"areas");
            let Buffers { name, value, .. } = &mut *self.buffers;
            let version = self
                .around
                .host
                .shared_data_version(name, VALUE_LEN_MAX, value)?;
            let mut directory = version.map_or_else(Directory::default, |_| Directory::read(value));
            let area = match directory.claim(identity, now_s) {
                Ok((area, false)) => return Ok(Some(area)),
                Ok((area, true)) => area,
                Err(Exhausted) => {
                    self.count(Metric::CountersUnshared);
                    return Ok(None);
                }
            };
            let bytes = directory.write();
            let written = match version {
                None => self.around.host.create_shared_data(name, &bytes)?,
                Some(version) => self
                    .around
                    .host
                    .replace_shared_data(name, &bytes, version)?,
            };
            if written {
                return Ok(Some(area));
            }
        }
        Ok(None)
    }

    /// Makes sure that there is an index of this counter.
    fn begin_index(&mut self, counter: &Counter, area: Area) -> Result<(), HostError> {
        let (definition, blocks) = (counter.table.definition(), counter.table.block_count());
        self.name(Some(area), &"index");
        let Buffers {
            name,
            value,
            written,
            before,
            ..
        } = &mut *self.buffers;
        let version = self
            .around
            .host
            .shared_data_version(name, VALUE_LEN_MAX, value)?;
        if version.is_some() && index::read(value, definition, blocks, before) {
            return Ok(());
        }
        before.clear();
        before.resize(blocks as usize, 0);
        index::write(definition, before, written);
        // Whoever was faster wrote the same.
        match version {
            None => self.around.host.create_shared_data(name, written)?,
            Some(version) => self
                .around
                .host
                .replace_shared_data(name, written, version)?,
        };
        Ok(())
    }

    fn read_index(&mut self, counter: &mut Counter, area: Area) -> Result<bool, HostError> {
        let (definition, blocks) = (counter.table.definition(), counter.table.block_count());
        self.name(Some(area), &"index");
        let Buffers { name, value, .. } = &mut *self.buffers;
        let version = self
            .around
            .host
            .shared_data_version(name, VALUE_LEN_MAX, value)?;
        Ok(
            version.is_some()
                && index::read(value, definition, blocks, &mut counter.sharing.shared),
        )
    }

    /// Takes in a block, adds what this VM has counted, and writes that back if there is anything.
    fn block(&mut self, counter: &mut Counter, area: Area, block: u32) -> Result<(), HostError> {
        let slice = counter.table.definition().slice_at(self.around.time_us);
        self.blocks_left = self.blocks_left.saturating_sub(1);
        for _ in 0..TRIES {
            self.name(Some(area), &block);
            let Buffers {
                name,
                value,
                written,
                ..
            } = &mut *self.buffers;
            let version = self
                .around
                .host
                .shared_data_version(name, VALUE_LEN_MAX, value)?;
            self.bytes_left = self.bytes_left.saturating_sub(value.len());
            let is_block = version.is_some() && counter.table.join(block, value, slice).is_ok();
            if !is_block {
                counter.table.set_untold(block);
            }
            if !counter.table.has_changed(block) {
                counter.sharing.set_known(block);
                return Ok(());
            }
            counter.table.write(block, slice, written);
            self.bytes_left = self.bytes_left.saturating_sub(written.len());
            let is_written = match version {
                None => self.around.host.create_shared_data(name, written)?,
                Some(version) => self
                    .around
                    .host
                    .replace_shared_data(name, written, version)?,
            };
            if is_written {
                counter.table.set_told(block);
                counter.sharing.set_known(block);
                counter.sharing.set_written(block);
                self.count(Metric::CountersTold);
                return Ok(());
            }
        }
        self.count(Metric::CountersFailures);
        Ok(())
    }

    /// Lets the others know which blocks are new.
    fn tell_index(&mut self, counter: &mut Counter, area: Area) -> Result<(), HostError> {
        let (definition, blocks) = (*counter.table.definition(), counter.table.block_count());
        for _ in 0..TRIES {
            if !counter.sharing.has_written() {
                return Ok(());
            }
            self.name(Some(area), &"index");
            let Buffers {
                name,
                value,
                written,
                before,
                after,
            } = &mut *self.buffers;
            let version = self
                .around
                .host
                .shared_data_version(name, VALUE_LEN_MAX, value)?;
            let version = version.filter(|_| index::read(value, &definition, blocks, before));
            let Some(version) = version else {
                counter.sharing.set_area(None);
                return Ok(());
            };
            after.clone_from(before);
            counter.sharing.versions_after(after);
            index::write(&definition, after, written);
            if self
                .around
                .host
                .replace_shared_data(name, written, version)?
            {
                counter.sharing.set_told(before, after);
                return Ok(());
            }
        }
        self.count(Metric::CountersFailures);
        Ok(())
    }

    /// Puts the name of something shared into the buffer.
    fn name(&mut self, area: Option<Area>, what: &dyn std::fmt::Display) {
        let name = &mut self.buffers.name;
        let Config {
            ruleset, audience, ..
        } = self.around.config;
        name.clear();
        // A string takes everything.
        let _ = write!(
            name,
            "{PREFIX}/{ruleset}/{}",
            audience.as_deref().unwrap_or_default()
        );
        if let Some(area) = area {
            let _ = write!(name, "/{area}");
        }
        let _ = write!(name, "/{what}");
    }

    fn note_failure(&self, done: Result<(), HostError>) {
        if done.is_err() {
            self.count(Metric::CountersFailures);
        }
    }

    fn count(&self, metric: Metric) {
        self.around.metrics.count(self.around.host, metric);
    }
}
