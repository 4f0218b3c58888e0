//! Gives every distinct string, attribute, atom, address set and automaton one index, in order of first use.

use std::collections::{BTreeMap, HashMap};

use riskgate_engine::atoms::{self, AtomId};
use riskgate_engine::attributes::{self, AttributeId, NO_KEY};
use riskgate_engine::exact::ExactWriter;
use riskgate_engine::number;
use riskgate_engine::strings::{StringId, StringsWriter};

use super::LowerError;
use super::lists::prefix_set;
use crate::automaton::Pattern;
use crate::ir::{Atom, Attribute, Base, Comparison, Number, Test, Transform, View};

/// What makes two atoms one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AtomKey {
    attribute: AttributeId,
    view: atoms::View,
    test: (u8, u8, u64),
    /// Of `in [...]`, whose values stand in the exact table.
    values: Vec<StringId>,
}

/// Everything that rules share.
#[derive(Debug, Default)]
pub(super) struct Interner {
    pub(super) strings: StringsWriter,
    pub(super) exact: ExactWriter,
    pub(super) prefix_sets: Vec<Vec<u8>>,
    pub(super) dfas: Vec<Vec<u8>>,
    attribute_ids: HashMap<attributes::Attribute, AttributeId>,
    attributes: Vec<attributes::Attribute>,
    atom_ids: HashMap<AtomKey, AtomId>,
    atoms: Vec<atoms::Atom>,
    prefix_set_ids: HashMap<Vec<u8>, u32>,
    dfa_ids: HashMap<String, u32>,
}

impl Interner {
    pub(super) fn attributes(&self) -> Vec<attributes::Attribute> {
        self.attributes.clone()
    }

    /// The engine refuses an attribute that it would have to derive in very many ways.
    pub(super) fn check_chains(&self) -> Result<(), LowerError> {
        let mut chains: HashMap<_, usize> = HashMap::new();
        for attribute in &self.attributes {
            let count = chains.entry((attribute.base, attribute.key)).or_default();
            *count += 1;
            if *count > attributes::MAX_CHAINS {
                return Err(LowerError::TooManyChains);
            }
        }
        Ok(())
    }

    /// The index of an atom.
    pub(super) fn atom(&mut self, atom: &Atom) -> AtomId {
        let attribute = self.attribute(&atom.attribute);
        let view = lower_view(atom.attribute.view);
        let test = self.test(&atom.test);
        let one_of = match &atom.test {
            Test::OneOf(values) => values.as_slice(),
            _ => &[],
        };
        let values: Vec<StringId> = one_of
            .iter()
            .map(|value| self.strings.intern(value))
            .collect();
        let key = AtomKey {
            attribute,
            view,
            test: test.encode(),
            values,
        };
        if let Some(&id) = self.atom_ids.get(&key) {
            return id;
        }
        let id = index(self.atoms.len());
        for (&string, value) in key.values.iter().zip(one_of) {
            self.exact.add(attribute, string, value, id);
        }
        self.atom_ids.insert(key, id);
        self.atoms.push(atoms::Atom {
            attribute,
            view,
            test,
            postings: (0, 0),
        });
        id
    }

    /// Access predicates that no index finds.
    pub(super) fn scanned_atoms(&self, postings: &BTreeMap<AtomId, Vec<u32>>) -> Vec<AtomId> {
        let is_indexed = |id: &AtomId| {
            let atom = self.atoms.get(*id as usize);
            atom.is_some_and(|atom| atom.test == atoms::Test::OneOf)
        };
        postings
            .keys()
            .copied()
            .filter(|id| !is_indexed(id))
            .collect()
    }

    /// The atoms with the slices of the postings that are theirs, and the postings.
    pub(super) fn atoms_with_postings(
        &self,
        postings: &BTreeMap<AtomId, Vec<u32>>,
    ) -> (Vec<atoms::Atom>, Vec<u32>) {
        let mut atoms = self.atoms.clone();
        let mut all: Vec<u32> = Vec::new();
        for (id, rules) in postings {
            if let Some(atom) = atoms.get_mut(*id as usize) {
                atom.postings = (index(all.len()), index(rules.len()));
                all.extend(rules);
            }
        }
        (atoms, all)
    }

    fn attribute(&mut self, attribute: &Attribute) -> AttributeId {
        let (base, key) = lower_base(&attribute.base);
        let key = key.map_or(NO_KEY, |key| self.strings.intern(key));
        let codes: Vec<u8> = attribute
            .transforms
            .iter()
            .copied()
            .map(transform_code)
            .collect();
        let transforms = self.strings.intern(&codes);
        let lowered = attributes::Attribute {
            base,
            key,
            transforms,
        };
        let next = index(self.attributes.len());
        *self.attribute_ids.entry(lowered).or_insert_with(|| {
            self.attributes.push(lowered);
            next
        })
    }

    fn test(&mut self, test: &Test) -> atoms::Test {
        match test {
            Test::Present => atoms::Test::Present,
            Test::IsTrue => atoms::Test::IsTrue,
            Test::IsFalse => atoms::Test::IsFalse,
            Test::OneOf(_) => atoms::Test::OneOf,
            Test::InList(list) => atoms::Test::InList(index(*list)),
            Test::InPrefixes(prefixes) => {
                atoms::Test::InPrefixes(self.prefix_set(prefix_set(prefixes)))
            }
            Test::Compare(comparison, number) => {
                atoms::Test::Compare(lower_comparison(*comparison), lower_number(*number))
            }
            Test::StartsWith(text) => atoms::Test::StartsWith(self.strings.intern(text)),
            Test::EndsWith(text) => atoms::Test::EndsWith(self.strings.intern(text)),
            Test::Contains(text) => atoms::Test::Contains(self.strings.intern(text)),
            Test::Matches(pattern) => atoms::Test::Matches(self.dfa(pattern)),
        }
    }

    fn prefix_set(&mut self, set: Vec<u8>) -> u32 {
        let next = index(self.prefix_sets.len());
        *self.prefix_set_ids.entry(set).or_insert_with_key(|set| {
            self.prefix_sets.push(set.clone());
            next
        })
    }

    fn dfa(&mut self, pattern: &Pattern) -> u32 {
        let next = index(self.dfas.len());
        *self
            .dfa_ids
            .entry(pattern.text().to_owned())
            .or_insert_with(|| {
                self.dfas.push(pattern.automaton().to_vec());
                next
            })
    }
}

/// An index in the format. The front end's limits keep every count far below 2^32.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn lower_base(base: &Base) -> (attributes::Base, Option<&[u8]>) {
    use attributes::Base as Lowered;
    match base {
        Base::Method => (Lowered::Method, None),
        Base::Scheme => (Lowered::Scheme, None),
        Base::Host => (Lowered::Host, None),
        Base::Hostname => (Lowered::Hostname, None),
        Base::Protocol => (Lowered::Protocol, None),
        Base::Id => (Lowered::Id, None),
        Base::Path => (Lowered::Path, None),
        Base::UrlPath => (Lowered::UrlPath, None),
        Base::Query => (Lowered::Query, None),
        Base::Param(name) => (Lowered::Param, Some(name)),
        Base::Header(name) => (Lowered::Header, Some(name.as_bytes())),
        Base::Cookie(name) => (Lowered::Cookie, Some(name)),
        Base::Time => (Lowered::Time, None),
        Base::SourceIp => (Lowered::SourceIp, None),
        Base::ClientIp => (Lowered::ClientIp, None),
        Base::Mtls => (Lowered::Mtls, None),
        Base::PeerUriSan => (Lowered::PeerUriSan, None),
        Base::PeerSubject => (Lowered::PeerSubject, None),
        Base::ServerName => (Lowered::ServerName, None),
        Base::TlsVersion => (Lowered::TlsVersion, None),
        Base::Claim(name) => (Lowered::Claim, Some(name.as_bytes())),
    }
}

fn transform_code(transform: Transform) -> u8 {
    match transform {
        Transform::LowerAscii => 0,
        Transform::Trim => 1,
        Transform::UrlDecode => 2,
        Transform::UrlDecodeAll => 3,
        Transform::NormalizePath => 4,
        Transform::CompressSpaces => 5,
        Transform::RemoveNulls => 6,
        Transform::HtmlUnescape => 7,
        Transform::Base64Decode => 8,
    }
}

fn lower_view(view: View) -> atoms::View {
    match view {
        View::Value => atoms::View::Value,
        View::Int => atoms::View::Int,
        View::Double => atoms::View::Double,
        View::Length => atoms::View::Length,
        View::Size => atoms::View::Size,
    }
}

fn lower_comparison(comparison: Comparison) -> atoms::Comparison {
    match comparison {
        Comparison::Equal => atoms::Comparison::Equal,
        Comparison::Less => atoms::Comparison::Less,
        Comparison::LessOrEqual => atoms::Comparison::LessOrEqual,
        Comparison::Greater => atoms::Comparison::Greater,
        Comparison::GreaterOrEqual => atoms::Comparison::GreaterOrEqual,
    }
}

fn lower_number(number: Number) -> number::Number {
    match number {
        Number::Int(value) => number::Number::Int(value),
        Number::Double(value) => number::Number::Double(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` atoms over one attribute, each with a chain of its own.
    fn intern_chains(count: usize) -> Interner {
        let mut interner = Interner::default();
        for number in 0..count {
            let bits = (0..7).map(|bit| number >> bit & 1);
            let transforms = bits.map(|bit| [Transform::Trim, Transform::LowerAscii][bit]);
            let attribute = Attribute {
                base: Base::Path,
                transforms: transforms.collect(),
                view: View::Value,
            };
            interner.atom(&Atom {
                attribute,
                test: Test::Present,
            });
        }
        interner
    }

    #[test]
    fn more_chains_than_the_engine_derives_are_refused() {
        assert!(intern_chains(attributes::MAX_CHAINS).check_chains().is_ok());
        let refused = intern_chains(attributes::MAX_CHAINS + 1).check_chains();
        assert!(matches!(refused, Err(LowerError::TooManyChains)));
    }
}
