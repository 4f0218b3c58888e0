//! Writes the section: files literals under their rarest grams.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{
    Entry, GRAM_LENS, MAX_BITMAP_BITS, MAX_BUCKET, MAX_BUCKET_BITS, MAX_LITERAL_LEN,
    MIN_BITMAP_BITS, Place, Table, gram, hash, tag, upper,
};
use crate::atoms::AtomId;
use crate::attributes::AttributeId;
use crate::codec::write_array;
use crate::strings::StringId;

/// Below this many literals of an attribute one pass with short grams finds all of them fast.
const FEW: usize = 512;

/// Bits of a bitmap for each literal: one gram of 16 of a value is looked up in vain.
const BITS_EACH: usize = 16;

/// A literal to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewLiteral {
    /// In whose values.
    pub attribute: AttributeId,
    /// Where.
    pub place: Place,
    /// Its index among the strings.
    pub literal: StringId,
}

/// Collects literals and the atoms that they find.
#[derive(Debug, Default, Clone)]
pub struct LiteralsWriter {
    attributes: BTreeMap<AttributeId, Attribute>,
}

#[derive(Debug, Default, Clone)]
struct Attribute {
    literals: BTreeMap<(Place, Vec<u8>), (StringId, Vec<AtomId>)>,
}

/// Where a literal is filed.
#[derive(Debug, Clone, Copy)]
struct Filed {
    gram_len: u8,
    gram_at: u16,
    gram: u64,
}

impl LiteralsWriter {
    /// `text`, whose index is that of `new`, finds `atom`. Only what is 1 to [`MAX_LITERAL_LEN`] bytes long can be filed, and
    /// atoms have to come one after the other.
    pub fn add(&mut self, new: NewLiteral, text: &[u8], atom: AtomId) {
        let attribute = self.attributes.entry(new.attribute).or_default();
        let key = (new.place, text.to_vec());
        let (_, atoms) = attribute
            .literals
            .entry(key)
            .or_insert((new.literal, Vec::new()));
        if atoms.last() != Some(&atom) {
            atoms.push(atom);
        }
    }

    /// The section, and the atoms that some literal could not be filed for, because too many others share all its grams; in
    /// ascending order.
    #[must_use]
    pub fn write(&self) -> (Vec<u8>, Vec<AtomId>) {
        let mut parts = Parts::default();
        let mut unfiled = Vec::new();
        for (&id, attribute) in &self.attributes {
            let places = attribute.file();
            let homeless = attribute.literals.iter().zip(&places);
            let homeless = homeless.filter(|(_, filed)| filed.is_none());
            unfiled.extend(homeless.flat_map(|((_, (_, atoms)), _)| atoms.iter().copied()));
            for gram_len in GRAM_LENS {
                parts.add_table(id, gram_len, attribute, &places);
            }
        }
        unfiled.sort_unstable();
        unfiled.dedup();
        (parts.write(), unfiled)
    }
}

impl Attribute {
    /// Files each literal under its gram whose bucket is emptiest and that fewest others have; `None` for one whose
    /// buckets are all full.
    fn file(&self) -> Vec<Option<Filed>> {
        let lengths = self.gram_lens();
        let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
        let mut commonness: BTreeMap<u64, u32> = BTreeMap::new();
        for ((_, text), &gram_len) in self.literals.keys().zip(&lengths) {
            *counts.entry(gram_len).or_default() += 1;
            for filed in grams(text, gram_len) {
                *commonness.entry(filed.gram).or_default() += 1;
            }
        }
        let mut loads: BTreeMap<(u8, u32), u32> = BTreeMap::new();
        let file = |((_, text), &gram_len): (&(Place, Vec<u8>), &u8)| {
            let bits = bucket_bits(counts.get(&gram_len).copied().unwrap_or_default());
            let (_, bucket, filed) = grams(text, gram_len)
                .map(|filed| {
                    let bucket = (gram_len, upper(hash(filed.gram), bits));
                    let load = loads.get(&bucket).copied().unwrap_or_default();
                    let common = commonness.get(&filed.gram).copied().unwrap_or_default();
                    ((load, common), bucket, filed)
                })
                .filter(|((load, _), ..)| *load < MAX_BUCKET)
                .min_by_key(|(rank, ..)| *rank)?;
            *loads.entry(bucket).or_default() += 1;
            Some(filed)
        };
        self.literals.keys().zip(&lengths).map(file).collect()
    }

    /// The length of the grams that each literal is filed under.
    fn gram_lens(&self) -> Vec<u8> {
        let is_long = |text: &Vec<u8>| text.len() >= 8;
        let long = self.literals.keys().filter(|(_, text)| is_long(text));
        let many = long.count() > FEW;
        let length = |text: &Vec<u8>| match text.len() {
            0 | 1 => 1,
            2 | 3 => 2,
            4..8 => 4,
            _ if many => 8,
            _ => 4,
        };
        self.literals.keys().map(|(_, text)| length(text)).collect()
    }
}

fn grams(text: &[u8], gram_len: u8) -> impl Iterator<Item = Filed> {
    let text = text.get(..MAX_LITERAL_LEN).unwrap_or(text);
    let at = move |gram_at: u16| {
        let gram = gram(text.get(usize::from(gram_at)..)?, gram_len)?;
        Some(Filed {
            gram_len,
            gram_at,
            gram,
        })
    };
    (0..).map_while(at)
}

#[derive(Debug, Default)]
struct Parts {
    tables: Vec<Table>,
    bitmaps: Vec<u32>,
    starts: Vec<u32>,
    entries: Vec<Entry>,
    atoms: Vec<AtomId>,
}

impl Parts {
    fn add_table(
        &mut self,
        id: AttributeId,
        gram_len: u8,
        attribute: &Attribute,
        places: &[Option<Filed>],
    ) {
        let lengths = attribute.gram_lens();
        let wanted = lengths.iter().filter(|len| **len == gram_len).count();
        let filed = attribute.literals.iter().zip(places);
        let mut filed: Vec<_> = filed
            .filter_map(|(literal, filed)| Some((literal, (*filed)?)))
            .filter(|(_, filed)| filed.gram_len == gram_len)
            .collect();
        if filed.is_empty() {
            return;
        }
        let all_at_start = filed
            .iter()
            .all(|(((place, _), _), _)| *place == Place::Start);
        let farthest = filed
            .iter()
            .map(|(_, filed)| u32::from(filed.gram_at))
            .max();
        let table = Table {
            attribute: id,
            gram_len,
            bitmap_bits: bits(filed.len() * BITS_EACH).clamp(MIN_BITMAP_BITS, MAX_BITMAP_BITS),
            bucket_bits: bucket_bits(wanted),
            last_position: farthest.filter(|_| all_at_start).unwrap_or(u32::MAX),
            bitmap_start: length(&self.bitmaps),
            starts_start: length(&self.starts),
        };
        let bucket = |filed: &Filed| upper(hash(filed.gram), table.bucket_bits);
        filed.sort_by_key(|(_, filed)| bucket(filed));
        self.add_bitmap(&table, filed.iter().map(|(_, filed)| filed.gram));
        let mut buckets = filed.iter().map(|(_, filed)| bucket(filed)).peekable();
        let mut end = length(&self.entries);
        self.starts.push(end);
        for bucket in 0..1 << table.bucket_bits {
            while buckets.next_if_eq(&bucket).is_some() {
                end += 1;
            }
            self.starts.push(end);
        }
        for (((place, _), (literal, atoms)), filed) in filed {
            self.entries.push(Entry {
                literal: *literal,
                gram_at: filed.gram_at,
                place: *place,
                tag: tag(hash(filed.gram)),
                atoms: (length(&self.atoms), length(atoms)),
            });
            self.atoms.extend(atoms);
        }
        self.tables.push(table);
    }

    fn add_bitmap(&mut self, table: &Table, grams: impl Iterator<Item = u64>) {
        let start = self.bitmaps.len();
        self.bitmaps
            .resize(start + table.bitmap_words() as usize, 0);
        for gram in grams {
            let bit = upper(hash(gram), table.bitmap_bits);
            if let Some(word) = self.bitmaps.get_mut(start + bit as usize / 32) {
                *word |= 1 << (bit % 32);
            }
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_array(&self.tables, &mut out);
        write_array(&self.bitmaps, &mut out);
        write_array(&self.starts, &mut out);
        write_array(&self.entries, &mut out);
        write_array(&self.atoms, &mut out);
        out
    }
}

fn bucket_bits(literals: usize) -> u8 {
    bits(literals).clamp(1, MAX_BUCKET_BITS)
}

/// How many bits number that many things.
fn bits(count: usize) -> u8 {
    u8::try_from(count.max(2).next_power_of_two().trailing_zeros()).unwrap_or(u8::MAX)
}

fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
