//! Section `exact`: a hash table from (attribute, value) to the atoms that the value makes true.
//!
//! A bitmap of a byte or two for each value says of most others that they are none, which spares looking for them.
//!
//! Layout: bitmap (count, u32 each), bucket starts (count, u32 each), entries (count; attribute, string, start and length of a
//! slice of the atoms; those of one bucket ascend by attribute and value), atoms (count, u32 each), the attributes to look up (count, u32 each, ascending). The bucket is
//! the XXH3 hash of the value, seeded with the attribute, modulo the number of buckets, its bit that of the upper half of the
//! hash, modulo the number of bits.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::atoms::{AtomId, Atoms, Test};
use crate::attributes::AttributeId;
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, find, record, records, slice,
    write_array,
};
use crate::pace::Pace;
use crate::seen::Seen;
use crate::strings::{StringId, Strings};

/// Bits of the bitmap for each value, at least: one value of sixteen that is none is looked for all the same.
const BITS_EACH: usize = 16;
/// Checking an entry takes as long as looking at so many bytes: its string lies anywhere.
const WORK_EACH: usize = 150;

#[derive(Debug, Clone, Copy)]
struct Entry {
    attribute: AttributeId,
    string: StringId,
    atoms: (u32, u32),
}

impl Entry {
    /// What entries of one bucket ascend by.
    fn key<'a>(&self, strings: &'a Strings) -> (AttributeId, &'a [u8]) {
        (self.attribute, strings.get(self.string))
    }
}

impl Record for Entry {
    const LEN: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        self.attribute.write(out);
        self.string.write(out);
        self.atoms.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Entry {
            attribute: u32::read(bytes)?,
            string: u32::read(bytes.get(4..)?)?,
            atoms: <(u32, u32)>::read(bytes.get(8..)?)?,
        })
    }
}

/// Collects which values make which atoms true.
#[derive(Debug, Default, Clone)]
pub struct ExactWriter {
    atoms: BTreeMap<(AttributeId, Vec<u8>), (StringId, Vec<AtomId>)>,
}

impl ExactWriter {
    /// `value`, whose string index is `string`, makes `atom` true.
    pub fn add(&mut self, attribute: AttributeId, string: StringId, value: &[u8], atom: AtomId) {
        let key = (attribute, value.to_vec());
        let (_, atoms) = self.atoms.entry(key).or_insert((string, Vec::new()));
        atoms.push(atom);
    }

    fn bitmap(&self) -> Vec<u32> {
        let words = (self.atoms.len() * BITS_EACH)
            .div_ceil(32)
            .next_power_of_two();
        let mut bitmap = alloc::vec![0; words];
        for (attribute, value) in self.atoms.keys() {
            let bit = bit_of(hash(*attribute, value), words);
            if let Some(word) = bitmap.get_mut(bit / 32) {
                *word |= 1_u32 << (bit % 32);
            }
        }
        bitmap
    }

    /// The section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let bucket_count = self.atoms.len().next_power_of_two();
        let mut order: Vec<_> = self
            .atoms
            .iter()
            .map(|(key, found)| (bucket_of(hash(key.0, &key.1), bucket_count), key, found))
            .collect();
        order.sort_unstable();
        let mut starts = alloc::vec![0_u32; bucket_count + 1];
        let mut entries = Vec::with_capacity(order.len());
        let mut all_atoms: Vec<u32> = Vec::new();
        for (bucket, (attribute, _), (string, atoms)) in order {
            let start = u32::try_from(all_atoms.len()).unwrap_or(u32::MAX);
            let length = u32::try_from(atoms.len()).unwrap_or(u32::MAX);
            all_atoms.extend(atoms);
            entries.push(Entry {
                attribute: *attribute,
                string: *string,
                atoms: (start, length),
            });
            for later in starts.iter_mut().skip(bucket as usize + 1).take(1) {
                *later += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut attributes: Vec<u32> = self.atoms.keys().map(|key| key.0).collect();
        attributes.dedup();
        let mut out = Vec::new();
        write_array(&self.bitmap(), &mut out);
        write_array(&starts, &mut out);
        write_array(&entries, &mut out);
        write_array(&all_atoms, &mut out);
        write_array(&attributes, &mut out);
        out
    }
}

fn hash(attribute: AttributeId, value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, attribute.into())
}

fn bucket_of(hash: u64, bucket_count: usize) -> u32 {
    u32::try_from(hash & (bucket_count.max(1) as u64 - 1)).unwrap_or_default()
}

/// Which bit of how many.
fn bit_of(hash: u64, words: usize) -> usize {
    let mask = (words * 32).max(1) as u64 - 1;
    usize::try_from(hash >> 32 & mask).unwrap_or_default()
}

/// The section, checked: every entry names a string, an attribute and atoms of that attribute.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exact {
    bytes: Bytes,
    bitmap: ArrayRange,
    starts: ArrayRange,
    entries: ArrayRange,
    atoms: ArrayRange,
    attributes: ArrayRange,
}

impl Exact {
    pub(crate) async fn read(
        bytes: &Bytes,
        strings: &Strings,
        atoms: &Atoms,
        pace: &Pace,
    ) -> Result<Exact, BundleError> {
        let mut cursor = Cursor::new(bytes, "exact");
        let section = Exact {
            bytes: bytes.clone(),
            bitmap: ArrayRange::read::<u32>(bytes, &mut cursor)?,
            starts: ArrayRange::read::<u32>(bytes, &mut cursor)?,
            entries: ArrayRange::read::<Entry>(bytes, &mut cursor)?,
            atoms: ArrayRange::read::<u32>(bytes, &mut cursor)?,
            attributes: ArrayRange::read::<u32>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        section.check_starts()?;
        section.check_entries(strings, atoms, pace).await?;
        section.check_buckets(strings, pace).await?;
        Ok(section)
    }

    /// The attributes whose values are to be looked up.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = AttributeId> {
        records(self.attributes.view(&self.bytes))
    }

    /// One more than the highest place that [`Exact::lookup`] notes as seen.
    pub(crate) fn place_count(&self) -> u32 {
        self.atoms.len()
    }

    /// The atoms that a value of an attribute makes true, unless that value was seen before.
    pub(crate) fn lookup<'a>(
        &'a self,
        attribute: AttributeId,
        value: &[u8],
        strings: &Strings,
        seen: &mut Seen,
    ) -> impl Iterator<Item = AtomId> + use<'a> {
        let hash = hash(attribute, value);
        let found = self
            .may_have(hash)
            .then(|| self.find(hash, (attribute, value), strings))
            .flatten();
        // An entry has atoms of its own, so the first of them tells which it is.
        let new = found.filter(|entry| seen.add(entry.atoms.0));
        let (start, length) = new.map_or((0, 0), |entry| entry.atoms);
        records(slice::<u32>(self.atoms.view(&self.bytes), start, length))
    }

    /// Every atom with every value that makes it true.
    pub(crate) fn values<'a>(
        &'a self,
        strings: &'a Strings,
    ) -> impl Iterator<Item = (AtomId, &'a [u8])> {
        let entries = records::<Entry>(self.entries.view(&self.bytes));
        entries.flat_map(move |entry| {
            let (start, length) = entry.atoms;
            let atoms = slice::<u32>(self.atoms.view(&self.bytes), start, length);
            records::<u32>(atoms).map(move |atom| (atom, strings.get(entry.string)))
        })
    }

    fn may_have(&self, hash: u64) -> bool {
        let bitmap = self.bitmap.view(&self.bytes);
        let bit = bit_of(hash, bitmap.len() / 4);
        let byte = bitmap.get(bit / 8).copied().unwrap_or_default();
        byte >> (bit % 8) & 1 == 1
    }

    fn find(&self, hash: u64, key: (AttributeId, &[u8]), strings: &Strings) -> Option<Entry> {
        let bucket_count = self.starts.len().saturating_sub(1) as usize;
        let bucket = bucket_of(hash, bucket_count);
        let starts = self.starts.view(&self.bytes);
        let start = record::<u32>(starts, bucket)?;
        let end = record::<u32>(starts, bucket + 1)?;
        let bucket = slice::<Entry>(
            self.entries.view(&self.bytes),
            start,
            end.saturating_sub(start),
        );
        find::<Entry>(bucket, |entry| entry.key(strings).cmp(&key))
    }

    fn looks_up(&self, attribute: AttributeId) -> bool {
        let attributes = self.attributes.view(&self.bytes);
        find::<u32>(attributes, |found| found.cmp(&attribute)).is_some()
    }

    /// A value finds its entry in its own bucket, by binary search, however many share it.
    async fn check_buckets(&self, strings: &Strings, pace: &Pace) -> Result<(), BundleError> {
        let entries = self.entries.view(&self.bytes);
        let starts = records::<u32>(self.starts.view(&self.bytes));
        let ends = records::<u32>(self.starts.view(&self.bytes)).skip(1);
        let count = self.starts.len().saturating_sub(1) as usize;
        for (index, (start, end)) in (0..).zip(starts.zip(ends)) {
            pace.spend_on(index as usize, WORK_EACH).await;
            let bucket = slice::<Entry>(entries, start, end.saturating_sub(start));
            let is_at_home = |entry: Entry| {
                let hash = hash(entry.attribute, strings.get(entry.string));
                bucket_of(hash, count) == index && self.may_have(hash)
            };
            let is_sorted =
                records::<Entry>(bucket).is_sorted_by(|a, b| a.key(strings) < b.key(strings));
            if !is_sorted || !records::<Entry>(bucket).all(is_at_home) {
                return Err(BundleError::BadValue { what: "exact" });
            }
        }
        Ok(())
    }

    fn check_starts(&self) -> Result<(), BundleError> {
        let view = self.starts.view(&self.bytes);
        let last = self
            .starts
            .len()
            .checked_sub(1)
            .and_then(|last| record::<u32>(view, last));
        let fits = self.bitmap.len().is_power_of_two()
            && self.starts.len() >= 2
            && (self.starts.len() - 1).is_power_of_two()
            && record::<u32>(view, 0) == Some(0)
            && records::<u32>(view).is_sorted()
            && last == Some(self.entries.len());
        if fits {
            Ok(())
        } else {
            Err(BundleError::IndexOutOfRange { what: "exact" })
        }
    }

    async fn check_entries(
        &self,
        strings: &Strings,
        atoms: &Atoms,
        pace: &Pace,
    ) -> Result<(), BundleError> {
        let what = "exact";
        if !self.attributes().is_sorted_by(|a, b| a < b) {
            return Err(BundleError::BadValue { what });
        }
        let mut slices = Partition::default();
        for (index, entry) in records::<Entry>(self.entries.view(&self.bytes)).enumerate() {
            pace.spend_on(index, WORK_EACH).await;
            strings.check(entry.string, what)?;
            slices.next(entry.atoms, self.atoms.len(), what)?;
            let named = slice::<u32>(self.atoms.view(&self.bytes), entry.atoms.0, entry.atoms.1);
            for atom in records::<u32>(named) {
                check_index(atom, atoms.count(), what)?;
                let fits = atoms.get(atom).is_some_and(|atom| {
                    atom.attribute == entry.attribute && atom.test == Test::OneOf
                });
                if !fits {
                    return Err(BundleError::BadValue { what });
                }
            }
            if !self.looks_up(entry.attribute) {
                return Err(BundleError::BadValue { what });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atoms::{Atom, View};
    use crate::attributes::Base;
    use crate::fixture;
    use crate::strings::StringsWriter;

    fn read_exact(section: &[u8], strings: &Strings, atoms: &Atoms) -> Result<Exact, BundleError> {
        let bytes = section.into();
        crate::pace::at_once(async |pace| Exact::read(&bytes, strings, atoms, pace).await)
    }

    #[test]
    fn values_find_their_atoms_by_attribute() {
        let mut texts = StringsWriter::default();
        let mut exact = ExactWriter::default();
        // Attribute, value, atom; atoms 0 and 1 test attribute 0, atom 2 attribute 1.
        let truths = [
            (0, "a", 0),
            (0, "b", 0),
            (0, "b", 1),
            (1, "a", 2),
            (0, "", 1),
        ];
        for (attribute, value, atom) in truths {
            exact.add(
                attribute,
                texts.intern(value.as_bytes()),
                value.as_bytes(),
                atom,
            );
        }
        let atom = |attribute| fixture::atom(attribute, View::Value, Test::OneOf);
        let mut read = |atoms: &[Atom]| fixture::read(&mut texts, &[Base::Path, Base::Host], atoms);
        let (strings, atoms) = read(&[atom(0), atom(0), atom(1)]);
        let section = read_exact(&exact.write(), &strings, &atoms).unwrap();
        let found = |attribute, value: &str| -> Vec<AtomId> {
            let mut seen = Seen::default();
            seen.clear(section.place_count());
            let found = section
                .lookup(attribute, value.as_bytes(), &strings, &mut seen)
                .collect();
            let again = section.lookup(attribute, value.as_bytes(), &strings, &mut seen);
            assert_eq!(again.count(), 0);
            found
        };
        assert_eq!(section.attributes().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(found(0, "a"), [0]);
        assert_eq!(found(0, "b"), [0, 1]);
        assert_eq!(found(0, ""), [1]);
        assert_eq!(found(1, "a"), [2]);
        for (attribute, value) in [(1, "b"), (1, ""), (0, "c"), (2, "a"), (0, "aa")] {
            assert!(found(attribute, value).is_empty(), "{attribute} {value:?}");
        }
        // Neighbours in one bucket that change places are out of order.
        let bitmap_len = 4 + 4 * section.bitmap.len() as usize;
        let entries_at = bitmap_len + 4 + 4 * section.starts.len() as usize + 4;
        let starts = section.starts.view(&section.bytes);
        let shares_bucket = |index: u32| !records::<u32>(starts).any(|start| start == index + 1);
        let mut shared = 0;
        for index in (0..3).filter(|index| shares_bucket(*index)) {
            let mut swapped = exact.write();
            let at = entries_at + index as usize * Entry::LEN;
            // Only what they are found by: their slices stay where they are.
            let (first, second) = swapped.get_mut(at..at + 24).unwrap().split_at_mut(16);
            first.get_mut(..8).unwrap().swap_with_slice(second);
            assert!(
                read_exact(&swapped, &strings, &atoms).is_err(),
                "entries {index}"
            );
            shared += 1;
        }
        assert!(shared > 0, "no two values share a bucket; add some");
        // The same table over atoms that test another attribute, or otherwise.
        let mut wrong = [atom(1), atom(0), atom(1)];
        let mut refused = |atoms: &[Atom]| {
            let (strings, atoms) = read(atoms);
            read_exact(&exact.write(), &strings, &atoms).is_err()
        };
        assert!(refused(&wrong));
        wrong = [
            fixture::atom(0, View::Value, Test::Present),
            atom(0),
            atom(1),
        ];
        assert!(refused(&wrong));
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let section = read_exact(
            &ExactWriter::default().write(),
            &Strings::default(),
            &Atoms::default(),
        );
        assert_eq!(
            section
                .unwrap()
                .lookup(0, b"", &Strings::default(), &mut Seen::default())
                .count(),
            0
        );
    }
}
