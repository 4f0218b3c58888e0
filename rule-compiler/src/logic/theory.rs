//! What tests of one attribute have to do with each other.

use super::{
    Conflict, Setting,
    intervals::Intervals,
    numbers::{Addresses, domain, satisfying},
    shape::{Shape, is_present_with},
    text,
};
use crate::front::is_many_valued;
use crate::ir::{Atom, Attribute, Base, ListValues, Test, View};

/// More prefixes of a list are taken for any.
const MAX_PREFIXES: usize = 256;

/// How tests are assumed to come out.
pub(super) struct Theory<'c> {
    setting: Setting<'c>,
    assumed: Vec<(&'c Atom, bool)>,
}

/// What is assumed of one base.
struct Group<'c> {
    setting: Setting<'c>,
    single: bool,
    positive: Vec<&'c Atom>,
    negative: Vec<&'c Atom>,
}

impl<'c> Theory<'c> {
    pub(super) fn new(setting: Setting<'c>) -> Self {
        Self {
            setting,
            assumed: Vec::new(),
        }
    }

    /// How much is assumed.
    pub(super) fn mark(&self) -> usize {
        self.assumed.len()
    }

    /// Takes back what was assumed since the mark.
    pub(super) fn forget(&mut self, mark: usize) {
        self.assumed.truncate(mark);
    }

    /// Assumes that a test comes out so, or says why it cannot beside what is assumed already.
    pub(super) fn assume(&mut self, atom: &'c Atom, holds: bool) -> Result<(), Conflict<'c>> {
        let same_base = self
            .assumed
            .iter()
            .filter(|(other, _)| other.attribute.base == atom.attribute.base);
        for (other, other_holds) in same_base {
            if self.is_pair_impossible((atom, holds), (other, *other_holds)) {
                let against = Some(*other);
                return Err(Conflict { atom, against });
            }
        }
        self.assumed.push((atom, holds));
        match self.group(atom).is_possible(&atom.attribute) {
            true => Ok(()),
            false => Err(Conflict {
                atom,
                against: self.only_other(atom),
            }),
        }
    }

    fn is_pair_impossible(&self, first: (&Atom, bool), second: (&Atom, bool)) -> bool {
        match (first, second) {
            ((a, true), (b, false)) | ((b, false), (a, true)) => implies(a, b),
            ((a, true), (b, true)) => {
                a.attribute == b.attribute
                    && is_single(&a.attribute.base)
                    && text::excludes(&a.test, &b.test)
            }
            ((_, false), (_, false)) => false,
        }
    }

    fn group(&self, atom: &Atom) -> Group<'c> {
        let same_base = |wanted: bool| {
            let own = self.assumed.iter().filter(move |(other, holds)| {
                *holds == wanted && other.attribute.base == atom.attribute.base
            });
            own.map(|(other, _)| *other).collect()
        };
        Group {
            setting: self.setting,
            single: is_single(&atom.attribute.base),
            positive: same_base(true),
            negative: same_base(false),
        }
    }

    /// The one other test of the same base, if there is only one.
    fn only_other(&self, atom: &'c Atom) -> Option<&'c Atom> {
        let same_base = |other: &&(&'c Atom, bool)| {
            other.0.attribute.base == atom.attribute.base && !core::ptr::eq(other.0, atom)
        };
        let mut others = self.assumed.iter().filter(same_base);
        let first = others.next()?;
        others.next().is_none().then_some(first.0)
    }
}

/// Whether no request has two values of it. A claim or custom attribute has one as authors know it, and a host may hand over more.
fn is_single(base: &Base) -> bool {
    !is_many_valued(base) && !matches!(base, Base::Claim(_) | Base::Custom { .. })
}

/// Whether `b` holds whenever `a` does, even if they are about several values.
fn implies(a: &Atom, b: &Atom) -> bool {
    if a.attribute == b.attribute {
        return text::implies(&a.test, &b.test);
    }
    is_present_with(&a.attribute, &b.attribute) && text::implies(&Test::Present, &b.test)
}

impl Group<'_> {
    fn is_possible(&self, attribute: &Attribute) -> bool {
        // Without a value every test is false; but a counter has one always.
        if self.positive.is_empty() && !attribute.base.is_counter() {
            return true;
        }
        self.shapes_fit()
            && self.some_candidate_is_left()
            && self.some_number_is_left(attribute)
            && self.some_length_is_left()
            && self.some_address_is_left()
    }

    fn shapes_fit(&self) -> bool {
        let is_text = |atom: &&&Atom| atom.attribute.view == View::Value;
        let mut texts = self.positive.iter().filter(is_text);
        texts.all(|atom| Shape::of(&atom.attribute).can_satisfy(&atom.test))
    }

    /// Of the few values that a test leaves, one must get past all others.
    fn some_candidate_is_left(&self) -> bool {
        self.positive.iter().all(|atom| {
            let values = match atom.attribute.view {
                View::Value => text::candidates(&atom.test, self.setting),
                _ => None,
            };
            values.is_none_or(|values| values.iter().any(|value| self.gets_past(value, atom)))
        })
    }

    fn gets_past(&self, value: &[u8], atom: &Atom) -> bool {
        let satisfies = |other: &Atom| {
            text::satisfies(
                value,
                &atom.attribute,
                &other.attribute,
                &other.test,
                self.setting,
            )
        };
        let mut positive = self.positive.iter();
        let mut negative = self.negative.iter();
        Shape::of(&atom.attribute).can_be(value)
            && !negative.any(|other| satisfies(other) == Some(true))
            && (!self.single || !positive.any(|other| satisfies(other) == Some(false)))
    }

    fn some_number_is_left(&self, attribute: &Attribute) -> bool {
        let domain = domain(
            &attribute.base,
            attribute.view,
            self.single,
            self.setting.earliest_us,
        );
        self.is_number_left(attribute, domain)
    }

    fn some_length_is_left(&self) -> bool {
        let lengths = self.positive.iter().chain(&self.negative);
        let lengths = lengths.filter(|atom| self.single && atom.attribute.view == View::Length);
        lengths.into_iter().all(|atom| {
            let texts = self.positive.iter().filter(|text| {
                text.attribute.view == View::Value
                    && text.attribute.transforms == atom.attribute.transforms
            });
            let least = texts.map(|text| text::least_length(&text.test)).max();
            let least = i128::try_from(least.unwrap_or(0)).unwrap_or(0);
            self.is_number_left(&atom.attribute, Intervals::between(least, i64::MAX.into()))
        })
    }

    /// Whether a number of the domain is left by all tests of this attribute.
    fn is_number_left(&self, attribute: &Attribute, domain: Intervals) -> bool {
        let of_attribute = |atom: &&&Atom| atom.attribute == *attribute;
        let sets = |atoms: &[&Atom]| -> Vec<Intervals> {
            let own = atoms.iter().filter(of_attribute);
            own.filter_map(|atom| satisfying(&atom.test, attribute.view))
                .collect()
        };
        let (positive, negative) = (sets(&self.positive), sets(&self.negative));
        let left = |set: Intervals| {
            let left = negative.iter().fold(set, |set, other| set.minus(other));
            !left.is_empty()
        };
        let is_present = || {
            if attribute.base.is_counter() {
                return true;
            }
            let mut positive = self.positive.iter();
            positive.any(|atom| is_present_with(&atom.attribute, attribute))
        };
        match positive.as_slice() {
            [] if negative.is_empty() || !is_present() => true,
            [] => left(domain),
            sets if self.single => {
                left(sets.iter().fold(domain, |set, other| set.intersect(other)))
            }
            sets => sets.iter().all(|set| left(domain.intersect(set))),
        }
    }

    fn some_address_is_left(&self) -> bool {
        let sets = |atoms: &[&Atom]| -> Vec<Addresses> {
            atoms
                .iter()
                .filter_map(|atom| self.addresses(&atom.test))
                .collect()
        };
        let (positive, negative) = (sets(&self.positive), sets(&self.negative));
        if positive.is_empty() && negative.is_empty() {
            return true;
        }
        let inside = positive
            .iter()
            .fold(Addresses::all(), |set, other| set.intersect(other));
        let left = negative.iter().fold(inside, |set, other| set.minus(other));
        !left.is_empty()
    }

    /// The addresses that satisfy a test of addresses, if they are known.
    fn addresses(&self, test: &Test) -> Option<Addresses> {
        let prefixes = match test {
            Test::InPrefixes(prefixes) => prefixes,
            Test::InList(list) => match (self.setting.list)(*list)? {
                (ListValues::Prefixes(prefixes), _) => prefixes,
                (ListValues::Strings(_), _) => return None,
            },
            _ => return None,
        };
        (prefixes.len() <= MAX_PREFIXES).then(|| Addresses::of(prefixes))
    }
}
