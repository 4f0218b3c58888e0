//! Section `counters`: what is counted, for which keys. A ruleset without counters has no such section.
//!
//! Layout: count and counter records, count and `u32` attributes that keys are made of.

use alloc::vec;
use alloc::vec::Vec;

use super::sides::{Side, side};
use super::{CounterDefinition, CounterIndex, MAX_MEMORY, SLICES};
use crate::atoms::{AtomId, Atoms};
use crate::attributes::{AttributeId, Attributes, ValueKind};
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Cursor, Partition, Record, check_index, record, records, slice, write_array,
};
use crate::program::Programs;
use crate::strings::{StringId, Strings};

/// More counters are refused.
pub const MAX_COUNTERS: usize = 64;
/// More parts of a key are refused.
pub const MAX_PARTS: usize = 8;
/// How many tests of the request a condition may make that waits for the response: what they gave is kept until then.
pub const MAX_REQUEST_ATOMS: usize = 64;
/// The shortest window.
pub const MIN_WINDOW_MS: u32 = 1_000;
/// The longest window.
pub const MAX_WINDOW_MS: u32 = 24 * 3600 * 1_000;
/// A longer name is refused, in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// Stands for the attribute of a counter that is not distinct.
pub const NO_ATTRIBUTE: AttributeId = u32::MAX;

/// A counter as the format has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// See [`CounterDefinition`].
    pub identity: [u8; 16],
    /// Its name.
    pub name: StringId,
    /// See [`CounterDefinition`].
    pub window_ms: u32,
    /// See [`CounterDefinition`].
    pub max_keys: u32,
    /// Where the condition starts in the programs under which it counts.
    pub entry: u32,
    /// The attribute whose different values are counted, or [`NO_ATTRIBUTE`].
    pub distinct: AttributeId,
    /// Whether it counts when the response is known.
    pub waits_for_response: bool,
    /// Its slice of the attributes.
    pub key: (u32, u32),
}

impl Record for Counter {
    const LEN: usize = 48;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.identity);
        self.name.write(out);
        self.window_ms.write(out);
        self.max_keys.write(out);
        self.entry.write(out);
        self.distinct.write(out);
        out.extend_from_slice(&[u8::from(self.waits_for_response), 0, 0, 0]);
        self.key.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| u32::read(bytes.get(at..)?);
        let waits_for_response = match bytes.get(36..40)? {
            [0, 0, 0, 0] => false,
            [1, 0, 0, 0] => true,
            _ => return None,
        };
        Some(Counter {
            identity: *bytes.first_chunk()?,
            name: word(16)?,
            window_ms: word(20)?,
            max_keys: word(24)?,
            entry: word(28)?,
            distinct: word(32)?,
            waits_for_response,
            key: <(u32, u32)>::read(bytes.get(40..)?)?,
        })
    }
}

impl Counter {
    fn definition(&self) -> CounterDefinition {
        CounterDefinition {
            identity: self.identity,
            window_ms: self.window_ms,
            is_distinct: self.distinct != NO_ATTRIBUTE,
            max_keys: self.max_keys,
        }
    }
}

/// The section; `parts` are the attributes that keys are made of.
#[must_use]
pub fn write(counters: &[Counter], parts: &[AttributeId]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(counters, &mut out);
    write_array(parts, &mut out);
    out
}

/// How many counters a section has, before anything else of it is read.
pub(crate) fn count(bytes: &[u8]) -> Result<u32, BundleError> {
    let mut cursor = Cursor::new(bytes, "counters");
    Ok(ArrayRange::read::<Counter>(bytes, &mut cursor)?.len())
}

/// What counters may point to.
pub(crate) struct Targets<'a> {
    pub(crate) strings: &'a Strings,
    pub(crate) attributes: &'a Attributes,
    pub(crate) atoms: &'a Atoms,
    pub(crate) programs: &'a Programs,
}

/// A counter as decisions use it.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) entry: u32,
    /// Index of the list of attributes that its key is made of.
    pub(crate) key: usize,
    /// Index of the list that is the distinct attribute alone.
    pub(crate) distinct: Option<usize>,
    /// Of a counter that waits for the response, the atoms of its condition that do not, ascending.
    pub(crate) request_atoms: Option<Vec<AtomId>>,
}

/// The section, checked, and prepared for decisions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) definitions: Vec<CounterDefinition>,
    pub(crate) names: Vec<StringId>,
    pub(crate) planned: Vec<Planned>,
    /// The lists of attributes that are hashed, each once: many counters share a key.
    pub(crate) tuples: Vec<Vec<AttributeId>>,
}

impl Counters {
    pub(crate) fn read(bytes: &[u8], targets: &Targets<'_>) -> Result<Counters, BundleError> {
        let what = "counters";
        let mut cursor = Cursor::new(bytes, what);
        let records_at = ArrayRange::read::<Counter>(bytes, &mut cursor)?;
        let parts_at = ArrayRange::read::<u32>(bytes, &mut cursor)?;
        cursor.finish()?;
        if records_at.len() as usize > MAX_COUNTERS {
            return Err(BundleError::OverLimit { what });
        }
        let mut counters = Counters::default();
        let mut keys = Partition::default();
        for index in 0..records_at.len() {
            let counter: Counter =
                record(records_at.view(bytes), index).ok_or(BundleError::BadValue { what })?;
            keys.next(counter.key, parts_at.len(), what)?;
            let (start, length) = counter.key;
            let parts = records(slice::<u32>(parts_at.view(bytes), start, length));
            counters.add(&counter, parts.collect(), targets)?;
        }
        keys.finish(parts_at.len(), what)?;
        counters.check_whole()?;
        Ok(counters)
    }

    pub(crate) fn definition(&self, index: CounterIndex) -> Option<&CounterDefinition> {
        self.definitions.get(index as usize)
    }

    /// Where the conditions start, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = u32> {
        self.planned.iter().map(|counter| counter.entry)
    }

    fn add(
        &mut self,
        counter: &Counter,
        parts: Vec<AttributeId>,
        targets: &Targets<'_>,
    ) -> Result<(), BundleError> {
        let what = "counters";
        let definition = counter.definition();
        check_name(counter.name, targets.strings)?;
        check_bounds(&definition)?;
        if parts.is_empty() || parts.len() > MAX_PARTS {
            return Err(BundleError::OverLimit { what });
        }
        let distinct = definition.is_distinct.then_some(counter.distinct);
        for &part in parts.iter().chain(&distinct) {
            check_part(part, targets.attributes)?;
        }
        let request_atoms = request_atoms(counter, targets)?;
        let planned = Planned {
            entry: counter.entry,
            key: self.tuple(parts),
            distinct: distinct.map(|attribute| self.tuple(vec![attribute])),
            request_atoms: counter.waits_for_response.then_some(request_atoms),
        };
        self.definitions.push(definition);
        self.names.push(counter.name);
        self.planned.push(planned);
        Ok(())
    }

    fn tuple(&mut self, attributes: Vec<AttributeId>) -> usize {
        let known = self.tuples.iter().position(|known| *known == attributes);
        known.unwrap_or_else(|| {
            self.tuples.push(attributes);
            self.tuples.len() - 1
        })
    }

    /// A store finds a counter again by its identity; and together they fit into a filter.
    fn check_whole(&self) -> Result<(), BundleError> {
        let what = "counters";
        // They are few, and a sort of such arrays is 50 KB of the filter's code.
        let mut identities = self.definitions.iter().map(|counter| counter.identity);
        while let Some(identity) = identities.next() {
            if identities.clone().any(|other| other == identity) {
                return Err(BundleError::BadValue { what });
            }
        }
        let memory = self.definitions.iter().map(CounterDefinition::memory_bytes);
        if memory.fold(0, u64::saturating_add) > MAX_MEMORY {
            return Err(BundleError::OverLimit {
                what: "memory of counters",
            });
        }
        Ok(())
    }
}

fn check_name(name: StringId, strings: &Strings) -> Result<(), BundleError> {
    let what = "counters";
    strings.check(name, what)?;
    strings.check_len(name, MAX_NAME_LEN, "name of a counter")?;
    let is_name_byte =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    let name = strings.get(name);
    if name.is_empty() || !name.iter().all(is_name_byte) {
        return Err(BundleError::BadValue { what });
    }
    Ok(())
}

fn check_bounds(definition: &CounterDefinition) -> Result<(), BundleError> {
    let what = "counters";
    let window = definition.window_ms;
    let is_whole = u64::from(window).is_multiple_of(SLICES);
    if !(MIN_WINDOW_MS..=MAX_WINDOW_MS).contains(&window) || !is_whole {
        return Err(BundleError::BadValue { what });
    }
    let most = super::most_keys(definition.is_distinct);
    if definition.max_keys == 0 || definition.max_keys > most {
        return Err(BundleError::OverLimit { what });
    }
    Ok(())
}

/// A time makes no key: each request would have its own.
fn check_part(part: AttributeId, attributes: &Attributes) -> Result<(), BundleError> {
    let what = "counters";
    check_index(part, attributes.count(), what)?;
    let fits = attributes.get(part).is_some_and(|attribute| {
        let kind = attribute.base.kind();
        let is_key = matches!(kind, ValueKind::Bytes | ValueKind::Ip | ValueKind::Bool);
        is_key && !attribute.base.is_of_response()
    });
    if fits {
        return Ok(());
    }
    Err(BundleError::BadValue { what })
}

/// The atoms of a condition that are known before the response is; a condition that waits for none has no others.
fn request_atoms(counter: &Counter, targets: &Targets<'_>) -> Result<Vec<AtomId>, BundleError> {
    let what = "counters";
    targets.programs.check_entry(counter.entry)?;
    let (mut atoms, mut is_wrong) = (Vec::new(), false);
    targets
        .programs
        .explore(counter.entry, &mut Vec::new(), |atom| {
            match side(atom, targets.atoms, targets.attributes) {
                Side::Request => atoms.push(atom),
                Side::Response => is_wrong |= !counter.waits_for_response,
                Side::Counter => is_wrong = true,
            }
            None
        });
    atoms.sort_unstable();
    atoms.dedup();
    if is_wrong {
        return Err(BundleError::BadValue { what });
    }
    if counter.waits_for_response && atoms.len() > MAX_REQUEST_ATOMS {
        return Err(BundleError::OverLimit { what });
    }
    Ok(atoms)
}
