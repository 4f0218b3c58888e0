//! Section `atoms`: the distinct tests of all rules, and which rules each can make true.
//!
//! Layout: count and atom records, count and postings (rule indices). The postings of an atom are the rules that
//! cannot match unless one of their access predicates holds and that have this atom among them.

use alloc::vec::Vec;

use crate::attributes::{AttributeId, Attributes, ValueKind};
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, record, records, slice, write_array,
};
use crate::number::Number;
use crate::pace::Pace;

/// Checking an atom takes as long as looking at so many bytes, beside its own.
const WORK_EACH: usize = 20;

/// Index of an atom.
pub type AtomId = u32;

/// What of an attribute's values is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "docs/rule-language.md describes each")]
pub enum View {
    Value = 0,
    Int = 1,
    Double = 2,
    Length = 3,
    Size = 4,
    Address = 5,
}

/// A comparison of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal = 0,
    Less = 1,
    LessOrEqual = 2,
    Greater = 3,
    GreaterOrEqual = 4,
}

/// How a value is tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test {
    /// There is a value.
    Present,
    /// A bool is true.
    IsTrue,
    /// A bool is false.
    IsFalse,
    /// The value is a key of section `exact` that names this atom.
    OneOf,
    /// The value is in the list of this index.
    InList(u32),
    /// The address is in the inline set of this index.
    InPrefixes(u32),
    /// The number compares so; a time compares as microseconds.
    Compare(Comparison, Number),
    /// The value starts with this string.
    StartsWith(u32),
    /// The value ends with this string.
    EndsWith(u32),
    /// The value contains this string.
    Contains(u32),
    /// The automaton of this index finds its pattern.
    Matches(u32),
    /// What the counter whose index stands in place of the attribute's has counted for the request's key compares so.
    Counter(Comparison, Number),
}

/// A test of one attribute: true if any of its values satisfies it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Atom {
    /// What is tested; of a test of a counter the index of that.
    pub attribute: AttributeId,
    /// What of its values.
    pub view: View,
    /// How.
    pub test: Test,
    /// Its slice of the postings.
    pub postings: (u32, u32),
}

impl Record for Atom {
    const LEN: usize = 24;

    fn write(&self, out: &mut Vec<u8>) {
        let (kind, comparison, operand) = self.test.encode();
        self.attribute.write(out);
        out.extend_from_slice(&[kind, self.view as u8, comparison, 0]);
        out.extend_from_slice(&operand.to_le_bytes());
        self.postings.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [kind, view, comparison, 0] = *bytes.get(4..)?.first_chunk::<4>()? else {
            return None;
        };
        let operand = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
        Some(Atom {
            attribute: u32::read(bytes)?,
            view: View::from_code(view)?,
            test: Test::decode(kind, comparison, operand)?,
            postings: <(u32, u32)>::read(bytes.get(16..)?)?,
        })
    }
}

impl Test {
    /// Kind, comparison and operand, as the format has them.
    #[must_use]
    pub fn encode(self) -> (u8, u8, u64) {
        match self {
            Test::Present => (0, 0, 0),
            Test::IsTrue => (1, 0, 0),
            Test::IsFalse => (2, 0, 0),
            Test::OneOf => (3, 0, 0),
            Test::InList(index) => (4, 0, index.into()),
            Test::InPrefixes(index) => (5, 0, index.into()),
            Test::Compare(comparison, Number::Int(value)) => {
                (6, comparison as u8, value.cast_unsigned())
            }
            Test::Compare(comparison, Number::Double(value)) => {
                (7, comparison as u8, value.to_bits())
            }
            Test::StartsWith(string) => (8, 0, string.into()),
            Test::EndsWith(string) => (9, 0, string.into()),
            Test::Contains(string) => (10, 0, string.into()),
            Test::Matches(index) => (11, 0, index.into()),
            Test::Counter(comparison, Number::Int(value)) => {
                (12, comparison as u8, value.cast_unsigned())
            }
            Test::Counter(comparison, Number::Double(value)) => {
                (13, comparison as u8, value.to_bits())
            }
        }
    }

    fn decode(kind: u8, comparison: u8, operand: u64) -> Option<Test> {
        let compared = || Comparison::from_code(comparison);
        let index = || u32::try_from(operand).ok();
        Some(match kind {
            0 => Test::Present,
            1 => Test::IsTrue,
            2 => Test::IsFalse,
            3 => Test::OneOf,
            4 => Test::InList(index()?),
            5 => Test::InPrefixes(index()?),
            6 => Test::Compare(compared()?, Number::Int(operand.cast_signed())),
            7 => Test::Compare(compared()?, Number::Double(f64::from_bits(operand))),
            8 => Test::StartsWith(index()?),
            9 => Test::EndsWith(index()?),
            10 => Test::Contains(index()?),
            11 => Test::Matches(index()?),
            12 => Test::Counter(compared()?, Number::Int(operand.cast_signed())),
            13 => Test::Counter(compared()?, Number::Double(f64::from_bits(operand))),
            _ => return None,
        })
    }
}

impl View {
    const ALL: [View; 6] = [
        View::Value,
        View::Int,
        View::Double,
        View::Length,
        View::Size,
        View::Address,
    ];

    pub(crate) fn from_code(code: u8) -> Option<View> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl Comparison {
    pub(crate) const ALL: [Comparison; 5] = [
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];

    pub(crate) fn from_code(code: u8) -> Option<Comparison> {
        Self::ALL.get(usize::from(code)).copied()
    }

    pub(crate) fn holds(self, left: Number, right: Number) -> bool {
        let ordering = left.compare(right);
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// The section.
#[must_use]
pub fn write(atoms: &[Atom], postings: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(atoms, &mut out);
    write_array(postings, &mut out);
    out
}

/// How many of each thing an atom may point to.
pub(crate) struct Targets<'a> {
    pub(crate) attributes: &'a Attributes,
    pub(crate) strings: u32,
    pub(crate) list_is_addresses: &'a (dyn Fn(u32) -> Option<bool> + Sync),
    pub(crate) prefix_sets: u32,
    pub(crate) dfas: u32,
    pub(crate) rules: u32,
    pub(crate) counters: u32,
}

/// The section, checked: every atom tests what its attribute has, with an operand that exists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Atoms {
    bytes: Bytes,
    atoms: ArrayRange,
    postings: ArrayRange,
}

impl Atoms {
    pub(crate) async fn read(
        bytes: &Bytes,
        targets: &Targets<'_>,
        pace: &Pace,
    ) -> Result<Atoms, BundleError> {
        let what = "atoms";
        let mut cursor = Cursor::new(bytes, what);
        let atoms = ArrayRange::read::<Atom>(bytes, &mut cursor)?;
        let postings = ArrayRange::read::<u32>(bytes, &mut cursor)?;
        cursor.finish()?;
        let section = Atoms {
            bytes: bytes.clone(),
            atoms,
            postings,
        };
        let mut postings = Partition::default();
        let mut again = Vec::with_capacity(Atom::LEN);
        let written = section.atoms.view(bytes).chunks_exact(Atom::LEN);
        for (id, written) in (0..section.count()).zip(written) {
            pace.spend_on(id as usize, WORK_EACH).await;
            let atom = section.get(id).ok_or(BundleError::BadValue { what })?;
            // There is one way to write each test: unused fields are zero.
            again.clear();
            atom.write(&mut again);
            if again != written {
                return Err(BundleError::BadValue { what });
            }
            atom.check(targets)?;
            postings.next(atom.postings, section.postings.len(), what)?;
        }
        for rule in records::<u32>(section.postings.view(bytes)) {
            check_index(rule, targets.rules, what)?;
        }
        Ok(section)
    }

    pub(crate) fn count(&self) -> u32 {
        self.atoms.len()
    }

    pub(crate) fn get(&self, id: AtomId) -> Option<Atom> {
        record(self.atoms.view(&self.bytes), id)
    }

    /// The rules that an atom gives access to.
    pub(crate) fn postings(&self, id: AtomId) -> impl Iterator<Item = u32> + use<'_> {
        let (start, length) = self.get(id).map_or((0, 0), |atom| atom.postings);
        records(slice::<u32>(self.postings.view(&self.bytes), start, length))
    }
}

impl Atom {
    fn check(&self, targets: &Targets<'_>) -> Result<(), BundleError> {
        let what = "atoms";
        if let Test::Counter(_, number) = self.test {
            check_index(self.attribute, targets.counters, what)?;
            let fits = self.view == View::Value && !number.is_nan();
            return if fits {
                Ok(())
            } else {
                Err(BundleError::BadValue { what })
            };
        }
        check_index(self.attribute, targets.attributes.count(), what)?;
        let attribute = targets.attributes.get(self.attribute);
        let kind = attribute.map(|attribute| attribute.base.kind());
        if !kind.is_some_and(|kind| self.fits(kind, targets)) {
            return Err(BundleError::BadValue { what });
        }
        match self.test {
            Test::InPrefixes(set) => check_index(set, targets.prefix_sets, what),
            Test::StartsWith(string) | Test::EndsWith(string) | Test::Contains(string) => {
                check_index(string, targets.strings, what)
            }
            Test::Matches(dfa) => check_index(dfa, targets.dfas, what),
            Test::Present
            | Test::IsTrue
            | Test::IsFalse
            | Test::OneOf
            | Test::InList(_)
            | Test::Compare(..)
            | Test::Counter(..) => Ok(()),
        }
    }

    fn fits(&self, kind: ValueKind, targets: &Targets<'_>) -> bool {
        let numeric = matches!(
            self.view,
            View::Int | View::Double | View::Length | View::Size
        );
        let is_address = kind == ValueKind::Ip || self.view == View::Address;
        if (numeric || self.view == View::Address) && kind != ValueKind::Bytes {
            return false;
        }
        let is_text = kind == ValueKind::Bytes && self.view == View::Value;
        match self.test {
            Test::Present => true,
            Test::IsTrue | Test::IsFalse => kind == ValueKind::Bool,
            Test::InList(list) => match (targets.list_is_addresses)(list) {
                Some(true) => is_address,
                Some(false) => is_text,
                None => false,
            },
            Test::InPrefixes(_) => is_address,
            Test::Compare(_, number) => {
                let is_number = numeric || matches!(kind, ValueKind::Time | ValueKind::Int);
                is_number && !number.is_nan()
            }
            Test::Counter(..) => false,
            Test::OneOf
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::Contains(_)
            | Test::Matches(_) => is_text,
        }
    }
}
