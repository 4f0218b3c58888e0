//! Atoms for the tests of the sections that refer to them.

use alloc::vec::Vec;

use crate::atoms::{self, Atom, Atoms, Targets, Test, View};
use crate::attributes::{self, Attribute, AttributeId, Attributes, Base, NO_KEY};
use crate::pace;
use crate::strings::{Strings, StringsWriter};

/// How many prefix sets an atom may refer to.
const PREFIX_SETS: u32 = 3;

/// An atom that gives access to no rule.
pub(crate) fn atom(attribute: AttributeId, view: View, test: Test) -> Atom {
    Atom {
        attribute,
        view,
        test,
        postings: (0, 0),
    }
}

/// Sections as they are read: `strings`, and `all` atoms, over an attribute without transforms for each of `bases`.
pub(crate) fn read(strings: &mut StringsWriter, bases: &[Base], all: &[Atom]) -> (Strings, Atoms) {
    let transforms = strings.intern(b"");
    let strings = Strings::read(&strings.write().as_slice().into()).unwrap();
    let plain = |base: &Base| Attribute {
        base: *base,
        key: NO_KEY,
        transforms,
    };
    let attributes: Vec<Attribute> = bases.iter().map(plain).collect();
    let attributes = attributes::write(&attributes);
    let targets = Targets {
        attributes: &Attributes::read(&attributes.as_slice().into(), &strings).unwrap(),
        strings: strings.count(),
        list_is_addresses: &|_| None,
        prefix_sets: PREFIX_SETS,
        dfas: 0,
        rules: 0,
        counters: 0,
    };
    let bytes = atoms::write(all, &[]).as_slice().into();
    let atoms = pace::at_once(async |pace| Atoms::read(&bytes, &targets, pace).await);
    (strings, atoms.unwrap())
}

/// [`read`] for atoms over one attribute and without strings.
pub(crate) fn atoms(base: Base, all: &[Atom]) -> Atoms {
    read(&mut StringsWriter::default(), &[base], all).1
}
