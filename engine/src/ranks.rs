//! Section `ranks`: which comparisons a number makes true, found by walking only those.
//!
//! The comparisons of one kind over one view of an attribute stand in order of what they compare with, so those that hold
//! are the first or the last few, or neighbours.
//!
//! Layout: tables (count; attribute, view u8, comparison u8, zero u16, slice of the thresholds), thresholds (count; kind u32,
//! 0 int and 1 double, atom, value 8 bytes).

use alloc::vec::Vec;

use crate::atoms::{AtomId, Atoms, Comparison, Test, View};
use crate::attributes::AttributeId;
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, record, records, slice, write_array,
};
use crate::number::Number;

/// The comparisons of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Whose values.
    pub attribute: AttributeId,
    /// What of them.
    pub view: View,
    /// How.
    pub comparison: Comparison,
    /// With what: a slice of the thresholds.
    pub thresholds: (u32, u32),
}

impl Record for Table {
    const LEN: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        self.attribute.write(out);
        out.extend_from_slice(&[self.view as u8, self.comparison as u8, 0, 0]);
        self.thresholds.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [view, comparison, 0, 0] = *bytes.get(4..)?.first_chunk::<4>()? else {
            return None;
        };
        Some(Table {
            attribute: u32::read(bytes)?,
            view: View::from_code(view)?,
            comparison: Comparison::from_code(comparison)?,
            thresholds: <(u32, u32)>::read(bytes.get(8..)?)?,
        })
    }
}

/// What a number is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// No NaN.
    pub number: Number,
    /// True when the comparison holds.
    pub atom: AtomId,
}

impl Record for Threshold {
    const LEN: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        let (kind, bits) = match self.number {
            Number::Int(value) => (0_u32, value.cast_unsigned()),
            Number::Double(value) => (1, value.to_bits()),
        };
        kind.write(out);
        self.atom.write(out);
        out.extend_from_slice(&bits.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bits = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
        Some(Threshold {
            number: match u32::read(bytes)? {
                0 => Number::Int(bits.cast_signed()),
                1 => Number::Double(f64::from_bits(bits)),
                _ => return None,
            },
            atom: u32::read(bytes.get(4..)?)?,
        })
    }
}

/// The section. Tables ascend by attribute, view and comparison; the thresholds of each by number, then by atom.
#[must_use]
pub fn write(tables: &[Table], thresholds: &[Threshold]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(tables, &mut out);
    write_array(thresholds, &mut out);
    out
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranks {
    bytes: Bytes,
    tables: ArrayRange,
    thresholds: ArrayRange,
}

impl Ranks {
    pub(crate) fn read(bytes: &Bytes, atoms: &Atoms) -> Result<Ranks, BundleError> {
        let what = "ranks";
        let mut cursor = Cursor::new(bytes, what);
        let section = Ranks {
            bytes: bytes.clone(),
            tables: ArrayRange::read::<Table>(bytes, &mut cursor)?,
            thresholds: ArrayRange::read::<Threshold>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        let tables = || records::<Table>(section.tables.view(bytes));
        let key = |table: &Table| (table.attribute, table.view, table.comparison);
        if tables().count() != section.tables.len() as usize
            || !tables().is_sorted_by(|a, b| key(a) < key(b))
        {
            return Err(BundleError::BadValue { what });
        }
        let mut slices = Partition::default();
        for table in tables() {
            slices.next(table.thresholds, section.thresholds.len(), what)?;
            section.check_thresholds(&table, atoms)?;
        }
        slices.finish(section.thresholds.len(), what)?;
        Ok(section)
    }

    pub(crate) fn table(&self, index: u32) -> Option<Table> {
        record(self.tables.view(&self.bytes), index)
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = AttributeId> {
        records::<Table>(self.tables.view(&self.bytes)).map(|table| table.attribute)
    }

    /// Tells the atoms of a table that hold for some of `values`. An atom of `==` can be told more than once.
    pub(crate) fn find(
        &self,
        table: &Table,
        values: impl Iterator<Item = Number>,
        tell: impl FnMut(AtomId),
    ) {
        let own = self.own(table);
        match table.comparison {
            Comparison::Equal => equal(own, values, tell),
            Comparison::Less | Comparison::LessOrEqual => {
                // What holds for any value holds for the least.
                let least = values.min_by(|a, b| a.compare(*b));
                let holds = |threshold: &Threshold| {
                    least.is_some_and(|least| table.comparison.holds(least, threshold.number))
                };
                let from_last = own
                    .rchunks_exact(Threshold::LEN)
                    .filter_map(Threshold::read);
                from_last
                    .take_while(holds)
                    .map(|threshold| threshold.atom)
                    .for_each(tell);
            }
            Comparison::Greater | Comparison::GreaterOrEqual => {
                let greatest = values.max_by(|a, b| a.compare(*b));
                let holds = |threshold: &Threshold| {
                    greatest
                        .is_some_and(|greatest| table.comparison.holds(greatest, threshold.number))
                };
                records::<Threshold>(own)
                    .take_while(holds)
                    .map(|threshold| threshold.atom)
                    .for_each(tell);
            }
        }
    }

    fn own(&self, table: &Table) -> &[u8] {
        let (start, length) = table.thresholds;
        slice::<Threshold>(self.thresholds.view(&self.bytes), start, length)
    }

    fn check_thresholds(&self, table: &Table, atoms: &Atoms) -> Result<(), BundleError> {
        let what = "ranks";
        let mut last: Option<Threshold> = None;
        let own = self.own(table);
        if records::<Threshold>(own).count() * Threshold::LEN != own.len() {
            return Err(BundleError::BadValue { what });
        }
        for threshold in records::<Threshold>(own) {
            check_index(threshold.atom, atoms.count(), what)?;
            // Atoms are checked to compare with numbers; what is written twice is so bit by bit.
            let fits = atoms.get(threshold.atom).is_some_and(|atom| {
                let test = Test::Compare(table.comparison, threshold.number);
                atom.attribute == table.attribute
                    && atom.view == table.view
                    && atom.test.encode() == test.encode()
            });
            let ascends = last.is_none_or(|last| {
                let order = last.number.compare(threshold.number);
                order.then(last.atom.cmp(&threshold.atom)).is_lt()
            });
            if !fits || !ascends {
                return Err(BundleError::BadValue { what });
            }
            last = Some(threshold);
        }
        Ok(())
    }
}

fn equal(own: &[u8], values: impl Iterator<Item = Number>, mut tell: impl FnMut(AtomId)) {
    for value in values {
        let first = first_not_below(own, value);
        let equals = records::<Threshold>(own.get(first * Threshold::LEN..).unwrap_or_default())
            .take_while(|threshold| threshold.number.compare(value).is_eq());
        equals.map(|threshold| threshold.atom).for_each(&mut tell);
    }
}

fn first_not_below(own: &[u8], value: Number) -> usize {
    let (mut low, mut high) = (0, own.len() / Threshold::LEN);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = u32::try_from(middle)
            .ok()
            .and_then(|index| record::<Threshold>(own, index));
        match found {
            Some(threshold) if threshold.number.compare(value).is_lt() => low = middle + 1,
            _ => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atoms::Atom;
    use crate::attributes::Base;
    use crate::fixture;
    use Number::{Double, Int};

    const NUMBERS: [Number; 6] = [
        Int(-7),
        Double(-0.5),
        Int(3),
        Double(3.0),
        Double(3.5),
        Int(i64::MAX),
    ];

    /// An atom for each comparison with each number, number by number.
    fn atoms() -> Atoms {
        let compare = |number| {
            Comparison::ALL
                .map(|comparison| fixture::atom(0, View::Int, Test::Compare(comparison, number)))
        };
        let all: Vec<Atom> = NUMBERS.into_iter().flat_map(compare).collect();
        fixture::atoms(Base::Path, &all)
    }

    fn tables() -> (Vec<Table>, Vec<Threshold>) {
        let tables = (0..).zip(Comparison::ALL).map(|(at, comparison)| Table {
            attribute: 0,
            view: View::Int,
            comparison,
            thresholds: (6 * at, 6),
        });
        let own = |comparison: u32| {
            (0..).zip(NUMBERS).map(move |(at, number)| Threshold {
                number,
                atom: 5 * at + comparison,
            })
        };
        (tables.collect(), (0..5).flat_map(own).collect())
    }

    fn read(tables: &[Table], thresholds: &[Threshold]) -> Result<Ranks, BundleError> {
        Ranks::read(&write(tables, thresholds).as_slice().into(), &atoms())
    }

    #[test]
    fn just_the_comparisons_that_hold_for_some_value_are_told() {
        let (tables, thresholds) = tables();
        let ranks = read(&tables, &thresholds).unwrap();
        let values: [&[Number]; 9] = [
            &[],
            &[Int(3)],
            &[Double(3.25)],
            &[Int(-8)],
            &[Int(i64::MAX)],
            &[Double(1e300)],
            &[Int(-8), Int(4)],
            &[Double(-0.5), Int(3), Double(3.0)],
            &[Double(f64::MIN), Int(-7), Int(i64::MIN)],
        ];
        for values in values {
            for (comparison, table) in Comparison::ALL.into_iter().zip(&tables) {
                let mut found = Vec::new();
                ranks.find(table, values.iter().copied(), |atom| found.push(atom));
                found.sort_unstable();
                found.dedup();
                let holds = |number| values.iter().any(|value| comparison.holds(*value, number));
                let expected: Vec<AtomId> = (0..)
                    .zip(NUMBERS)
                    .filter(|(_, number)| holds(*number))
                    .map(|(at, _)| 5 * at + comparison as u32)
                    .collect();
                assert_eq!(found, expected, "{comparison:?} of {values:?}");
            }
        }
    }

    #[test]
    fn what_would_not_be_found_is_refused() {
        let (tables, thresholds) = tables();
        assert!(read(&tables, &thresholds).is_ok());
        let swapped = |at: usize, with: usize| {
            let mut altered = thresholds.clone();
            altered.swap(at, with);
            read(&tables, &altered).is_err()
        };
        assert!(swapped(0, 1) && swapped(2, 3) && swapped(0, 6));
        let mut turned = tables.clone();
        turned.reverse();
        assert!(read(&turned, &thresholds).is_err());
        let mut short = tables.clone();
        short.pop();
        assert!(read(&short, &thresholds).is_err());
    }
}
