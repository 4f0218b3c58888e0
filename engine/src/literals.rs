//! Section `literals`: which literals stand in a value, found in one pass over it, however many there are.
//!
//! Each literal is filed under one of its *grams*, a run of 1, 2, 4 or 8 of its bytes. A pass looks at the gram at every
//! position of the value: a bit for its hash says that no literal is filed under it (nearly always), or a bucket holds
//! the few that may be, and they are compared where they would have to stand. A literal finds the atoms it was filed
//! for: those that test for just this literal are then true, others (a pattern that cannot match without it, a literal that
//! is longer than is compared here) are tested in full.
//!
//! Layout: tables (count), bitmaps (count, u32 each), bucket starts (count, u32 each), entries (count), atoms (count,
//! u32 each). The parts of the tables stand one behind the other in their arrays. See docs/bundle-format.md.

mod writer;

use alloc::vec::Vec;

use crate::atoms::{AtomId, Atoms, Test};
use crate::attributes::AttributeId;
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, record, records, slice,
};
use crate::pace::Pace;
use crate::seen::Seen;
use crate::strings::{StringId, Strings};

pub use writer::{LiteralsWriter, NewLiteral};

/// More literals under one gram are refused: the compiler files them elsewhere.
pub const MAX_BUCKET: u32 = 8;
/// What is compared of a literal, in bytes; longer ones are refused.
pub const MAX_LITERAL_LEN: usize = 64;
/// Lengths that a gram may have.
pub const GRAM_LENS: [u8; 4] = [1, 2, 4, 8];

const MAX_BITMAP_BITS: u8 = 26;
/// Checking an entry takes as long as looking at so many bytes: its literal lies anywhere.
const WORK_EACH: usize = 300;
const MAX_BUCKET_BITS: u8 = 22;
/// A bitmap is made of words.
const MIN_BITMAP_BITS: u8 = 5;

/// Where in a value a literal has to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Place {
    Anywhere = 0,
    Start = 1,
    End = 2,
}

impl Place {
    fn from_code(code: u8) -> Option<Place> {
        match code {
            0 => Some(Place::Anywhere),
            1 => Some(Place::Start),
            2 => Some(Place::End),
            _ => None,
        }
    }

    /// Whether a literal that is found here makes an atom with this test true.
    fn proves(self, literal: StringId, test: Test) -> bool {
        match test {
            Test::Contains(tested) => self == Place::Anywhere && tested == literal,
            Test::StartsWith(tested) => self == Place::Start && tested == literal,
            Test::EndsWith(tested) => self == Place::End && tested == literal,
            _ => false,
        }
    }
}

/// The literals of one attribute that are filed under grams of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    attribute: AttributeId,
    gram_len: u8,
    bitmap_bits: u8,
    bucket_bits: u8,
    /// Grams behind this position of a value start no literal of the table.
    last_position: u32,
    /// In words.
    bitmap_start: u32,
    starts_start: u32,
}

impl Table {
    fn bitmap_words(&self) -> u32 {
        1 << (self.bitmap_bits - MIN_BITMAP_BITS)
    }

    fn starts_count(&self) -> u32 {
        (1 << self.bucket_bits) + 1
    }

    /// There is at least one bit in each of the three, so no shift is by 64.
    fn is_sound(&self) -> bool {
        GRAM_LENS.contains(&self.gram_len)
            && (MIN_BITMAP_BITS..=MAX_BITMAP_BITS).contains(&self.bitmap_bits)
            && (1..=MAX_BUCKET_BITS).contains(&self.bucket_bits)
    }
}

impl Record for Table {
    const LEN: usize = 20;

    fn write(&self, out: &mut Vec<u8>) {
        self.attribute.write(out);
        out.extend_from_slice(&[self.gram_len, self.bitmap_bits, self.bucket_bits, 0]);
        self.last_position.write(out);
        self.bitmap_start.write(out);
        self.starts_start.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [gram_len, bitmap_bits, bucket_bits, 0] = *bytes.get(4..)?.first_chunk::<4>()? else {
            return None;
        };
        Some(Table {
            attribute: u32::read(bytes)?,
            gram_len,
            bitmap_bits,
            bucket_bits,
            last_position: u32::read(bytes.get(8..)?)?,
            bitmap_start: u32::read(bytes.get(12..)?)?,
            starts_start: u32::read(bytes.get(16..)?)?,
        })
    }
}

/// A literal, filed under the gram at `gram_at` of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    literal: StringId,
    gram_at: u16,
    place: Place,
    /// Of the gram's hash, so that another gram of the same bucket is seldom compared.
    tag: u32,
    atoms: (u32, u32),
}

impl Record for Entry {
    const LEN: usize = 20;

    fn write(&self, out: &mut Vec<u8>) {
        self.literal.write(out);
        out.extend_from_slice(&self.gram_at.to_le_bytes());
        out.extend_from_slice(&[self.place as u8, 0]);
        self.tag.write(out);
        self.atoms.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [low, high, place, 0] = *bytes.get(4..)?.first_chunk::<4>()? else {
            return None;
        };
        Some(Entry {
            literal: u32::read(bytes)?,
            gram_at: u16::from_le_bytes([low, high]),
            place: Place::from_code(place)?,
            tag: u32::read(bytes.get(8..)?)?,
            atoms: <(u32, u32)>::read(bytes.get(12..)?)?,
        })
    }
}

impl Entry {
    /// Whether the literal stands in `value` with its gram at `position`.
    fn stands_in(&self, literal: &[u8], value: &[u8], position: usize) -> bool {
        let Some(start) = position.checked_sub(usize::from(self.gram_at)) else {
            return false;
        };
        let rest = value.get(start..).unwrap_or_default();
        let in_place = match self.place {
            Place::Anywhere => true,
            Place::Start => start == 0,
            Place::End => rest.len() == literal.len(),
        };
        in_place && rest.starts_with(literal)
    }
}

/// The hash of a gram, whose first byte is the lowest of the number. Its upper bits are the good ones.
fn hash(gram: u64) -> u64 {
    // 2^64 divided by the golden ratio.
    gram.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn upper(hash: u64, bits: u8) -> u32 {
    u32::try_from(hash >> (64 - u32::from(bits))).unwrap_or_default()
}

fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> 8 & 0xffff_ffff).unwrap_or_default()
}

/// The gram at the front of `bytes`.
fn gram(bytes: &[u8], length: u8) -> Option<u64> {
    let bytes = bytes.get(..usize::from(length))?;
    let add = |gram: u64, byte: &u8| gram << 8 | u64::from(*byte);
    Some(bytes.iter().rev().fold(0, add))
}

/// What a literal that was found means for an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is true.
    True(AtomId),
    /// It may be.
    Possible(AtomId),
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Literals {
    bytes: Bytes,
    tables: ArrayRange,
    bitmaps: ArrayRange,
    starts: ArrayRange,
    entries: ArrayRange,
    atoms: ArrayRange,
}

impl Literals {
    pub(crate) async fn read(
        bytes: &Bytes,
        strings: &Strings,
        atoms: &Atoms,
        pace: &Pace,
    ) -> Result<Literals, BundleError> {
        let mut cursor = Cursor::new(bytes, "literals");
        let section = Literals {
            bytes: bytes.clone(),
            tables: ArrayRange::read::<Table>(bytes, &mut cursor)?,
            bitmaps: ArrayRange::read::<u32>(bytes, &mut cursor)?,
            starts: ArrayRange::read::<u32>(bytes, &mut cursor)?,
            entries: ArrayRange::read::<Entry>(bytes, &mut cursor)?,
            atoms: ArrayRange::read::<u32>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        section.check_tables()?;
        section.check_entries(strings, atoms, pace).await?;
        Ok(section)
    }

    /// The tables' attributes; one of several tables stands there as often.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = AttributeId> {
        self.all_tables().map(|table| table.attribute)
    }

    pub(crate) fn entry_count(&self) -> u32 {
        self.entries.len()
    }

    /// What the tables `start..end` find in a value, but for literals that were found already. An atom can be told more
    /// than once, by different literals.
    pub(crate) fn find(
        &self,
        (start, end): (u32, u32),
        value: &[u8],
        (strings, atoms): (&Strings, &Atoms),
        seen: &mut Seen,
        mut tell: impl FnMut(Found),
    ) {
        let bytes: &[u8] = &self.bytes;
        let scan = Scan {
            starts: self.starts.view(bytes),
            entries: self.entries.view(bytes),
            atoms: self.atoms.view(bytes),
            value,
            strings,
            all_atoms: atoms,
        };
        for index in start..end {
            let Some(table) = record::<Table>(self.tables.view(bytes), index) else {
                return;
            };
            let bitmap = slice::<u32>(
                self.bitmaps.view(bytes),
                table.bitmap_start,
                table.bitmap_words(),
            );
            match table.gram_len {
                1 => scan.run::<1>(&table, bitmap, seen, &mut tell),
                2 => scan.run::<2>(&table, bitmap, seen, &mut tell),
                4 => scan.run::<4>(&table, bitmap, seen, &mut tell),
                _ => scan.run::<8>(&table, bitmap, seen, &mut tell),
            }
        }
    }

    fn all_tables(&self) -> impl Iterator<Item = Table> {
        records(self.tables.view(&self.bytes))
    }

    /// Tables ascend by attribute and length of their grams; their parts fill the arrays.
    fn check_tables(&self) -> Result<(), BundleError> {
        let what = "literals";
        if self.all_tables().count() != self.tables.len() as usize {
            return Err(BundleError::BadValue { what });
        }
        let key = |table: &Table| (table.attribute, table.gram_len);
        if !self.all_tables().is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(BundleError::BadValue { what });
        }
        let (mut bitmaps, mut starts) = (Partition::default(), Partition::default());
        let mut last = 0;
        for table in self.all_tables() {
            if !table.is_sound() {
                return Err(BundleError::BadValue { what });
            }
            let words = (table.bitmap_start, table.bitmap_words());
            bitmaps.next(words, self.bitmaps.len(), what)?;
            let own = (table.starts_start, table.starts_count());
            starts.next(own, self.starts.len(), what)?;
            last = self.check_buckets(own, last)?;
        }
        bitmaps.finish(self.bitmaps.len(), what)?;
        starts.finish(self.starts.len(), what)?;
        if last == self.entries.len() {
            return Ok(());
        }
        Err(BundleError::IndexOutOfRange { what })
    }

    /// The buckets of a table hold the entries from `first` on, a few each. Returns where the next table's begin.
    fn check_buckets(&self, own: (u32, u32), first: u32) -> Result<u32, BundleError> {
        let what = "literals";
        let mut last = None;
        for start in records::<u32>(slice::<u32>(self.starts.view(&self.bytes), own.0, own.1)) {
            let length = match last {
                None if start != first => return Err(BundleError::BadValue { what }),
                None => Some(0),
                Some(last) => start.checked_sub(last),
            };
            if length.is_none_or(|length| length > MAX_BUCKET) {
                return Err(BundleError::BadValue { what });
            }
            last = Some(start);
        }
        Ok(last.unwrap_or(first))
    }

    async fn check_entries(
        &self,
        strings: &Strings,
        atoms: &Atoms,
        pace: &Pace,
    ) -> Result<(), BundleError> {
        let what = "literals";
        let mut slices = Partition::default();
        for table in self.all_tables() {
            let starts = slice::<u32>(
                self.starts.view(&self.bytes),
                table.starts_start,
                table.starts_count(),
            );
            let ends = records::<u32>(starts).skip(1);
            for (bucket, (start, end)) in (0..).zip(records::<u32>(starts).zip(ends)) {
                for index in start..end {
                    pace.spend_on(index as usize, WORK_EACH).await;
                    let entry = record::<Entry>(self.entries.view(&self.bytes), index)
                        .ok_or(BundleError::BadValue { what })?;
                    slices.next(entry.atoms, self.atoms.len(), what)?;
                    self.check_entry(&table, bucket, &entry, strings)?;
                    self.check_atoms(&table, &entry, (strings, atoms))?;
                }
            }
        }
        slices.finish(self.atoms.len(), what)
    }

    /// An entry that stood in another bucket, or whose bit was not set, would never be found.
    fn check_entry(
        &self,
        table: &Table,
        bucket: u32,
        entry: &Entry,
        strings: &Strings,
    ) -> Result<(), BundleError> {
        let what = "literals";
        strings.check(entry.literal, what)?;
        strings.check_len(entry.literal, MAX_LITERAL_LEN, what)?;
        let literal = strings.get(entry.literal);
        let at = literal
            .get(usize::from(entry.gram_at)..)
            .unwrap_or_default();
        let gram = gram(at, table.gram_len).ok_or(BundleError::IndexOutOfRange { what })?;
        let hash = hash(gram);
        let bitmap = slice::<u32>(
            self.bitmaps.view(&self.bytes),
            table.bitmap_start,
            table.bitmap_words(),
        );
        let is_found = upper(hash, table.bucket_bits) == bucket
            && tag(hash) == entry.tag
            && is_set(bitmap, upper(hash, table.bitmap_bits))
            && (entry.place == Place::Start || table.last_position == u32::MAX)
            && u32::from(entry.gram_at) <= table.last_position;
        if is_found {
            return Ok(());
        }
        Err(BundleError::BadValue { what })
    }

    /// What an atom tests for cannot stand in a value without the literal in its place; of an automaton the compiler knows.
    fn check_atoms(
        &self,
        table: &Table,
        entry: &Entry,
        (strings, atoms): (&Strings, &Atoms),
    ) -> Result<(), BundleError> {
        let what = "literals";
        let literal = strings.get(entry.literal);
        let named = slice::<u32>(self.atoms.view(&self.bytes), entry.atoms.0, entry.atoms.1);
        for id in records::<u32>(named) {
            check_index(id, atoms.count(), what)?;
            let fits = atoms.get(id).is_some_and(|atom| {
                let needs = match (atom.test, entry.place) {
                    (Test::Contains(tested), Place::Anywhere) => strings
                        .get(tested)
                        .windows(literal.len())
                        .any(|part| part == literal),
                    (Test::StartsWith(tested), Place::Start) => {
                        strings.get(tested).starts_with(literal)
                    }
                    (Test::EndsWith(tested), Place::End) => strings.get(tested).ends_with(literal),
                    (Test::Matches(_), _) => true,
                    _ => false,
                };
                atom.attribute == table.attribute && needs
            });
            if !fits {
                return Err(BundleError::BadValue { what });
            }
        }
        Ok(())
    }
}

fn is_set(bitmap: &[u8], bit: u32) -> bool {
    let byte = bitmap.get(bit as usize / 8).copied().unwrap_or_default();
    byte >> (bit % 8) & 1 == 1
}

/// A pass over one value.
struct Scan<'a> {
    starts: &'a [u8],
    entries: &'a [u8],
    atoms: &'a [u8],
    value: &'a [u8],
    strings: &'a Strings,
    all_atoms: &'a Atoms,
}

impl Scan<'_> {
    fn run<const N: usize>(
        &self,
        table: &Table,
        bitmap: &[u8],
        seen: &mut Seen,
        tell: &mut impl FnMut(Found),
    ) {
        let positions = (table.last_position as usize).saturating_add(1);
        let grams = self.value.array_windows::<N>().take(positions);
        for (position, gram) in grams.enumerate() {
            let mut wide = [0; 8];
            if let Some(front) = wide.first_chunk_mut::<N>() {
                *front = *gram;
            }
            let hash = hash(u64::from_le_bytes(wide));
            if is_set(bitmap, upper(hash, table.bitmap_bits)) {
                self.search_bucket(table, (hash, position), seen, tell);
            }
        }
    }

    #[inline(never)]
    fn search_bucket(
        &self,
        table: &Table,
        (hash, position): (u64, usize),
        seen: &mut Seen,
        tell: &mut impl FnMut(Found),
    ) {
        let at = table.starts_start + upper(hash, table.bucket_bits);
        let bounds = record::<u32>(self.starts, at).zip(record::<u32>(self.starts, at + 1));
        let (start, end) = bounds.unwrap_or_default();
        for index in start..end {
            let entry = record::<Entry>(self.entries, index).filter(|entry| entry.tag == tag(hash));
            let Some(entry) = entry.filter(|_| !seen.has(index)) else {
                continue;
            };
            let literal = self.strings.get(entry.literal);
            if entry.stands_in(literal, self.value, position) {
                seen.add(index);
                self.tell_atoms(&entry, tell);
            }
        }
    }

    fn tell_atoms(&self, entry: &Entry, tell: &mut impl FnMut(Found)) {
        for id in records::<u32>(slice::<u32>(self.atoms, entry.atoms.0, entry.atoms.1)) {
            let proven = self
                .all_atoms
                .get(id)
                .is_some_and(|atom| entry.place.proves(entry.literal, atom.test));
            tell(if proven {
                Found::True(id)
            } else {
                Found::Possible(id)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::atoms::View;
    use crate::attributes::Base;
    use crate::fixture;
    use crate::strings::StringsWriter;

    /// The literals of one attribute, each with an atom of its own, in order.
    struct Fixture {
        strings: Strings,
        atoms: Atoms,
        section: Vec<u8>,
        unfiled: Vec<AtomId>,
    }

    fn fixture(literals: &[(Place, &[u8])]) -> Fixture {
        let mut strings = StringsWriter::default();
        let mut writer = LiteralsWriter::default();
        let mut all = Vec::new();
        for (atom, (place, text)) in (0..).zip(literals) {
            let literal = strings.intern(text);
            let new = NewLiteral {
                attribute: 0,
                place: *place,
                literal,
            };
            writer.add(new, text, atom);
            let test = match place {
                Place::Anywhere => Test::Contains(literal),
                Place::Start => Test::StartsWith(literal),
                Place::End => Test::EndsWith(literal),
            };
            all.push(fixture::atom(0, View::Value, test));
        }
        let (strings, atoms) = fixture::read(&mut strings, &[Base::Path], &all);
        let (section, unfiled) = writer.write();
        Fixture {
            strings,
            atoms,
            section,
            unfiled,
        }
    }

    impl Fixture {
        fn read(&self) -> Result<Literals, BundleError> {
            let bytes = self.section.as_slice().into();
            let (strings, atoms) = (&self.strings, &self.atoms);
            crate::pace::at_once(async |pace| Literals::read(&bytes, strings, atoms, pace).await)
        }

        fn find(&self, literals: &Literals, value: &[u8]) -> Vec<AtomId> {
            let tables = u32::try_from(literals.attributes().count()).unwrap();
            let mut found = Vec::new();
            let mut seen = Seen::default();
            seen.clear(literals.entry_count());
            let sections = (&self.strings, &self.atoms);
            literals.find((0, tables), value, sections, &mut seen, |atom| match atom {
                Found::True(atom) => found.push(atom),
                Found::Possible(atom) => panic!("{atom} is proven"),
            });
            // However often the value holds it, a literal is told of once.
            found.sort_unstable();
            found
        }
    }

    fn is_in(value: &[u8], (place, text): (Place, &[u8])) -> bool {
        match place {
            Place::Anywhere => value.windows(text.len()).any(|window| window == text),
            Place::Start => value.starts_with(text),
            Place::End => value.ends_with(text),
        }
    }

    /// Words over two letters share all their grams: the worst there is.
    fn words() -> Vec<Vec<u8>> {
        let word = |length: u32, bits: u32| -> Vec<u8> {
            (0..length)
                .map(|bit| b'a' + u8::from(bits >> bit & 1 == 1))
                .collect()
        };
        let lengths = [1, 2, 3, 4, 5, 7, 8, 9, 12];
        let words = lengths.into_iter().flat_map(|length| {
            (0..24_u32).map(move |seed| word(length, seed.wrapping_mul(2_654_435_761) >> 7))
        });
        let mut words: Vec<Vec<u8>> = words.collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    #[test]
    fn every_filed_literal_is_found_in_its_place_and_nowhere_else() {
        let words = words();
        let places = [Place::Anywhere, Place::Start, Place::End];
        let literals: Vec<(Place, &[u8])> = words
            .iter()
            .flat_map(|word| places.map(|place| (place, word.as_slice())))
            .collect();
        let fixture = fixture(&literals);
        let section = fixture.read().unwrap();
        let filed = |atom: &AtomId| fixture.unfiled.binary_search(atom).is_err();
        assert!(fixture.unfiled.len() > 10, "no bucket is full");
        assert!(fixture.unfiled.len() + 100 < literals.len());
        for front in &words {
            for back in [&b""[..], b"a", b"bb", b"abab", b"c", b"bcaabaab"] {
                let value = [front, back].concat();
                let expected: Vec<AtomId> = (0..)
                    .zip(&literals)
                    .filter(|(atom, literal)| filed(atom) && is_in(&value, **literal))
                    .map(|(atom, _)| atom)
                    .collect();
                assert_eq!(fixture.find(&section, &value), expected, "{value:?}");
            }
        }
        assert!(fixture.find(&section, b"").is_empty());
    }

    #[test]
    fn many_literals_are_filed_under_long_grams() {
        let words: Vec<Vec<u8>> = (0..2_000_u32)
            .map(|number| alloc::format!("/api/v1/items/{number:06}/").into_bytes())
            .collect();
        let literals: Vec<(Place, &[u8])> = words
            .iter()
            .map(|word| (Place::Start, word.as_slice()))
            .collect();
        let fixture = fixture(&literals);
        assert!(fixture.unfiled.is_empty());
        let section = fixture.read().unwrap();
        assert!(section.all_tables().all(|table| table.gram_len == 8));
        for (atom, word) in (0..).zip(&words) {
            let value = [word.as_slice(), b"reviews"].concat();
            assert_eq!(fixture.find(&section, &value), [atom]);
            assert!(
                fixture
                    .find(&section, &[b"/", word.as_slice()].concat())
                    .is_empty()
            );
        }
    }

    /// Whatever is altered, the section is refused or finds what it found: but for the last array, since which atom a
    /// literal finds is for the compiler to know.
    #[test]
    fn a_section_that_would_not_find_its_literals_is_refused() {
        let literals: [(Place, &[u8]); 4] = [
            (Place::Anywhere, b"select"),
            (Place::Start, b"/wp-"),
            (Place::End, b".php"),
            (Place::Start, b"x"),
        ];
        let fixture = fixture(&literals);
        let values: [&[u8]; 3] = [b"/wp-login.php", b"x select", b"nothing"];
        let answers = |section: &Literals| values.map(|value| fixture.find(section, value));
        let expected = answers(&fixture.read().unwrap());
        assert_eq!(expected, [vec![1, 2], vec![0, 3], vec![]]);
        let atoms_at = fixture.section.len() - 4 * literals.len();
        let mut accepted = 0;
        for (at, flip) in (0..atoms_at).flat_map(|at| [1, 0x41, 0x80].map(|flip| (at, flip))) {
            let mut altered = Fixture {
                strings: fixture.strings.clone(),
                atoms: fixture.atoms.clone(),
                section: fixture.section.clone(),
                unfiled: Vec::new(),
            };
            *altered.section.get_mut(at).unwrap() ^= flip;
            if let Ok(section) = altered.read() {
                accepted += 1;
                let found = values.map(|value| altered.find(&section, value));
                assert_eq!(found, expected, "byte {at} with {flip:#x}");
            }
        }
        // Spare bits of the bitmaps may be set in vain.
        assert!(accepted < atoms_at / 2, "{accepted}");
    }
}
