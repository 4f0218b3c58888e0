//! The counts of one counter in a fixed amount of memory, in shards that threads can tell each other.
//!
//! Keys are spread over shards by their hash. A shard takes memory when its first key comes, and none after that but what
//! [`Table::memory_bytes`] speaks of. Within it a new key takes the place of that which was seen longest ago; what that had
//! counted goes on to count in a sketch, from which a key that comes back starts. So a key is never read as less than it
//! counted, whatever other keys there are, and exactly as that as long as none was evicted.
//!
//! A shard is told to other threads as a *block* of at most [`BLOCK_LEN_MAX`] bytes, and joined with what they tell. Joining takes
//! of each key and slice the greater count, and adds what this thread counted since it told its own; so all threads that
//! exchange blocks come to have the same counts, whatever the order, and however often a block is joined.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::CounterDefinition;
use super::counts::{self, Counts};
use super::distinct::{self, Distinct};
use super::slices::number;
use crate::bundle::BundleError;
use crate::codec::Cursor;

/// No block is longer.
pub const BLOCK_LEN_MAX: usize = 16 * 1024;

/// Begins each block; another layout has another number.
const LAYOUT: [u8; 4] = *b"rgc1";
const HEAD_LEN: usize = LAYOUT.len() + 16;

const _: () = assert!(HEAD_LEN + counts::WRITTEN_LEN_MAX <= BLOCK_LEN_MAX);
const _: () = assert!(HEAD_LEN + distinct::WRITTEN_LEN_MAX <= BLOCK_LEN_MAX);

/// The counts of one counter.
#[derive(Debug)]
pub struct Table {
    definition: CounterDefinition,
    shape: Shape,
    shards: Vec<Option<Box<Shard>>>,
    is_shared: bool,
    /// Of shards that ask to be told.
    urgent: Option<u32>,
}

#[derive(Debug)]
enum Shard {
    Counts(Counts),
    Distinct(Distinct),
}

/// How many shards there are, and for how many keys each.
#[derive(Debug, Clone, Copy)]
struct Shape {
    shards: u32,
    keys: u32,
}

/// The bytes are no block of this counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a block of this counter")]
pub struct ForeignBlock;

/// What could not be kept apart since it was asked for last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Losses {
    /// Keys whose counts went into a sketch.
    pub evicted: u64,
    /// Events that other threads will not know of.
    pub untold: u64,
}

impl Table {
    /// Nothing was counted yet. Only a shared one notes what other threads are to be told.
    #[must_use]
    pub fn new(definition: &CounterDefinition, is_shared: bool) -> Table {
        let shape = Shape::of(definition);
        Table {
            definition: *definition,
            shape,
            shards: (0..shape.shards).map(|_| None).collect(),
            is_shared,
            urgent: None,
        }
    }

    /// The most memory that the counts of a counter take.
    #[must_use]
    pub fn memory_bytes(definition: &CounterDefinition) -> u64 {
        let Shape { shards, keys } = Shape::of(definition);
        let of_shard = if definition.is_distinct {
            Distinct::memory_bytes()
        } else {
            Counts::memory_bytes(keys as usize)
        };
        let of_shard = of_shard + size_of::<Shard>() + size_of::<Option<Box<Shard>>>();
        u64::from(shards) * u64::try_from(of_shard).unwrap_or(u64::MAX)
    }

    /// What is counted here.
    #[must_use]
    pub fn definition(&self) -> &CounterDefinition {
        &self.definition
    }

    /// Notes an event of a key, or a value.
    pub fn count(&mut self, key: u64, slice: u64, value: Option<u64>) {
        let (key, slice, is_shared) = (not_zero(key), number(slice), self.is_shared);
        let block = self.shape.shard_of(key);
        let Some(shard) = self.shard_mut(block) else {
            return;
        };
        match (&mut *shard, value) {
            (Shard::Counts(shard), _) => shard.count(key, slice, is_shared),
            (Shard::Distinct(shard), Some(value)) => shard.count(key, value, slice),
            (Shard::Distinct(_), None) => {}
        }
        if matches!(shard, Shard::Counts(shard) if shard.is_urgent()) {
            self.urgent = Some(block);
        }
    }

    /// What was counted for a key in `slice` and the seven before it.
    pub fn read(&mut self, key: u64, slice: u64) -> u64 {
        let (key, slice) = (not_zero(key), number(slice));
        let block = self.shape.shard_of(key);
        match self.held_mut(block) {
            None => 0,
            Some(Shard::Counts(shard)) => shard.read(key, slice),
            Some(Shard::Distinct(shard)) => shard.read(key, slice),
        }
    }

    /// How many blocks there are; their numbers begin with 0.
    #[must_use]
    pub fn block_count(&self) -> u32 {
        self.shape.shards
    }

    /// Whether other threads do not know all of a block.
    #[must_use]
    pub fn has_changed(&self, block: u32) -> bool {
        match self.held(block) {
            None => false,
            Some(Shard::Counts(shard)) => shard.has_changed(),
            Some(Shard::Distinct(shard)) => shard.has_changed(),
        }
    }

    /// A block that has so many new events that it should be told before its turn, if there is one; asked for once.
    pub fn take_urgent(&mut self) -> Option<u32> {
        self.urgent.take()
    }

    /// The other threads know all of a block.
    pub fn set_told(&mut self, block: u32) {
        match self.held_mut(block) {
            None => {}
            Some(Shard::Counts(shard)) => shard.set_told(),
            Some(Shard::Distinct(shard)) => shard.set_told(),
        }
    }

    /// The other threads have lost a block.
    pub fn set_untold(&mut self, block: u32) {
        match self.held_mut(block) {
            None => {}
            Some(Shard::Counts(shard)) => shard.set_untold(),
            Some(Shard::Distinct(shard)) => shard.set_untold(),
        }
    }

    /// Writes a block as it is in `slice`, at most [`BLOCK_LEN_MAX`] bytes, in place of what `out` holds.
    pub fn write(&self, block: u32, slice: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend(LAYOUT);
        out.extend(self.definition.identity);
        match self.held(block) {
            None => out.extend([0; 8]),
            Some(Shard::Counts(shard)) => shard.write(number(slice), out),
            Some(Shard::Distinct(shard)) => shard.write(number(slice), out),
        }
    }

    /// Takes in a block that another thread wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are anything else. What was read of them by then stays; no bytes take more than the table's memory.
    pub fn join(&mut self, block: u32, bytes: &[u8], slice: u64) -> Result<(), ForeignBlock> {
        let mut cursor = self
            .open(bytes)
            .map_err(|_| ForeignBlock)?
            .ok_or(ForeignBlock)?;
        let shard = self.shard_mut(block).ok_or(ForeignBlock)?;
        let joined = match shard {
            Shard::Counts(shard) => shard.join_written(&mut cursor, number(slice)),
            Shard::Distinct(shard) => shard.join_written(&mut cursor, number(slice)),
        };
        joined
            .and_then(|()| cursor.finish())
            .map_err(|_| ForeignBlock)
    }

    /// What was lost since this was called last.
    pub fn take_losses(&mut self) -> Losses {
        let mut losses = Losses::default();
        for shard in self.shards.iter_mut().flatten() {
            match &mut **shard {
                Shard::Counts(shard) => {
                    losses.evicted += u64::from(core::mem::take(&mut shard.evicted));
                    losses.untold += u64::from(core::mem::take(&mut shard.untold));
                }
                Shard::Distinct(shard) => {
                    losses.evicted += u64::from(core::mem::take(&mut shard.evicted));
                }
            }
        }
        losses
    }

    /// The bytes behind the head of a block; nothing if it is another counter's.
    fn open<'b>(&self, bytes: &'b [u8]) -> Result<Option<Cursor<'b>>, BundleError> {
        let mut cursor = Cursor::new(bytes, "block");
        let head: ([u8; 4], [u8; 16]) = (cursor.array()?, cursor.array()?);
        Ok((head == (LAYOUT, self.definition.identity)).then_some(cursor))
    }

    fn held(&self, block: u32) -> Option<&Shard> {
        self.shards.get(block as usize)?.as_deref()
    }

    fn held_mut(&mut self, block: u32) -> Option<&mut Shard> {
        self.shards.get_mut(block as usize)?.as_deref_mut()
    }

    /// A shard, with memory.
    fn shard_mut(&mut self, block: u32) -> Option<&mut Shard> {
        let (is_distinct, keys) = (self.definition.is_distinct, self.shape.keys);
        let shard = self.shards.get_mut(block as usize)?;
        Some(shard.get_or_insert_with(|| {
            Box::new(if is_distinct {
                Shard::Distinct(Distinct::new())
            } else {
                Shard::Counts(Counts::new(keys as usize))
            })
        }))
    }
}

impl Shape {
    /// A few more keys than are asked for have room: they do not spread evenly.
    fn of(definition: &CounterDefinition) -> Shape {
        let wanted = definition.max_keys.max(1);
        if definition.is_distinct {
            let keys = distinct::KEYS_MAX as u32;
            return Shape {
                shards: if wanted <= keys {
                    1
                } else {
                    wanted.div_ceil(keys * 2 / 3)
                },
                keys,
            };
        }
        let most = counts::KEYS_MAX as u32;
        let roomy = wanted.saturating_add(wanted / 16).saturating_add(8);
        let shards = roomy.div_ceil(most);
        Shape {
            shards,
            keys: roomy.div_ceil(shards),
        }
    }

    /// The upper half of a key says which shard has it.
    fn shard_of(self, key: u64) -> u32 {
        let scaled = (key >> u32::BITS) * u64::from(self.shards);
        (scaled >> u32::BITS) as u32
    }
}

/// Tables know by the key 0 that there is none.
fn not_zero(key: u64) -> u64 {
    key.max(1)
}
