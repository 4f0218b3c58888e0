//! Gives every distinct string, attribute, atom, address set and automaton one index, in order of first use.

use std::collections::{BTreeMap, HashMap, HashSet};

use riskgate_engine::atoms::{self, AtomId};
use riskgate_engine::attributes::{self, AttributeId, Base as Lowered, NO_KEY};
use riskgate_engine::body::MAX_JSON_POINTERS;
use riskgate_engine::exact::ExactWriter;
use riskgate_engine::number;
use riskgate_engine::strings::{StringId, StringsWriter};

use super::LowerError;
use super::access::{Weight, Weights};
use super::condition::{Formula, commonness};
use super::counters::Counters;
use super::filing::{Filing, small_list, small_networks};
use super::lists::prefix_set;
use crate::automaton::Pattern;
use crate::ir::{
    Atom, Attribute, Base, Comparison, Counter, List, Number, Prefix, Test, Transform, View,
};

/// What makes two atoms one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AtomKey {
    attribute: AttributeId,
    view: atoms::View,
    test: (u8, u8, u64),
    /// Of `in [...]`, whose values stand in the exact table.
    values: Vec<StringId>,
}

/// How an atom is found.
#[derive(Debug)]
struct Filed {
    filing: Filing,
    /// How many requests it may let through, in rough units.
    commonness: u64,
    reads_body: bool,
}

/// Values of small lists that may be copied into the exact table and among the networks, for all lists and attributes
/// together.
const INLINED_VALUES: usize = 65_536;

/// Everything that rules share.
#[derive(Debug)]
pub(super) struct Interner<'a> {
    lists: &'a [List],
    pub(super) counters: Counters<'a>,
    pub(super) strings: StringsWriter,
    pub(super) exact: ExactWriter,
    pub(super) prefix_sets: Vec<Vec<u8>>,
    pub(super) dfas: Vec<Vec<u8>>,
    attribute_ids: HashMap<attributes::Attribute, AttributeId>,
    attributes: Vec<attributes::Attribute>,
    atom_ids: HashMap<AtomKey, AtomId>,
    atoms: Vec<atoms::Atom>,
    /// Of each atom.
    filings: Vec<Filed>,
    /// Lists that were copied, for an attribute each.
    inlined: HashSet<(usize, AttributeId)>,
    inlined_values: usize,
    prefix_set_ids: HashMap<Vec<u8>, u32>,
    dfa_ids: HashMap<String, u32>,
}

impl<'a> Interner<'a> {
    pub(super) fn new(lists: &'a [List], counters: &'a [Counter]) -> Interner<'a> {
        Interner {
            lists,
            counters: Counters::new(counters, lists),
            strings: StringsWriter::default(),
            exact: ExactWriter::default(),
            prefix_sets: Vec::new(),
            dfas: Vec::new(),
            attribute_ids: HashMap::new(),
            attributes: Vec::new(),
            atom_ids: HashMap::new(),
            atoms: Vec::new(),
            filings: Vec::new(),
            inlined: HashSet::new(),
            inlined_values: 0,
            prefix_set_ids: HashMap::new(),
            dfa_ids: HashMap::new(),
        }
    }

    pub(super) fn attributes(&self) -> Vec<attributes::Attribute> {
        self.attributes.clone()
    }

    /// The engine refuses very many attributes, and one that it would have to derive in very many ways.
    pub(super) fn check_chains(&self) -> Result<(), LowerError> {
        if self.attributes.len() > attributes::MAX_ATTRIBUTES {
            return Err(LowerError::TooManyAttributes);
        }
        let is_json = |attribute: &&attributes::Attribute| attribute.base == Lowered::BodyJson;
        let pointers = self.attributes.iter().filter(is_json);
        let pointers: HashSet<StringId> = pointers.map(|attribute| attribute.key).collect();
        if pointers.len() > MAX_JSON_POINTERS {
            return Err(LowerError::TooManyPointers);
        }
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
        let one_of = match &atom.test {
            Test::OneOf(values) => Some(values.as_slice()),
            Test::InList(list) => self.inline(*list, attribute),
            _ => None,
        };
        let test = match one_of {
            Some(_) => atoms::Test::OneOf,
            None => match self.test(&atom.test) {
                atoms::Test::Compare(comparison, number) if atom.attribute.base.is_counter() => {
                    atoms::Test::Counter(comparison, number)
                }
                test => test,
            },
        };
        let one_of = one_of.unwrap_or_default();
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
        let filing = match test {
            atoms::Test::OneOf => Filing::Exact,
            _ => Filing::new(atom, self.inline_networks(atom, attribute)),
        };
        self.filings.push(Filed {
            filing,
            commonness: commonness(atom),
            reads_body: atom.attribute.base.is_of_body(),
        });
        id
    }

    /// The values of a small list, which is found fastest among all other values that rules name.
    fn inline(&mut self, list: usize, attribute: AttributeId) -> Option<&'a [Vec<u8>]> {
        let values = small_list(self.lists, list)?;
        self.may_copy(list, attribute, values.len())
            .then_some(values)
    }

    /// The prefixes of a small list, which are found among all other networks that rules name.
    fn inline_networks(&mut self, atom: &Atom, attribute: AttributeId) -> Option<&'a [Prefix]> {
        let Test::InList(list) = atom.test else {
            return None;
        };
        let prefixes = small_networks(self.lists, list)?;
        self.may_copy(list, attribute, prefixes.len())
            .then_some(prefixes)
    }

    /// Whether there is room for a copy of a list for an attribute; there is for one that was made.
    fn may_copy(&mut self, list: usize, attribute: AttributeId, values: usize) -> bool {
        if self.inlined.contains(&(list, attribute)) {
            return true;
        }
        let total = self.inlined_values + values;
        if total > INLINED_VALUES {
            return false;
        }
        self.inlined_values = total;
        self.inlined.insert((list, attribute))
    }

    /// How all atoms do as access predicates of these formulas.
    pub(super) fn weights(&self, formulas: &[Formula]) -> Weights {
        let weigh = |filed: &Filed| Weight {
            commonness: filed.commonness,
            is_indexed: filed.filing != Filing::Scanned,
            reads_body: filed.reads_body,
        };
        let mut uses = vec![0_u32; self.atoms.len()];
        for formula in formulas {
            formula.for_each(&mut |literal| {
                let uses = uses.get_mut(literal.atom as usize);
                if let Some(uses) = uses.filter(|_| !literal.negated) {
                    *uses += 1;
                }
            });
        }
        Weights {
            atoms: self.filings.iter().map(weigh).collect(),
            uses,
        }
    }

    /// An atom and how it is found.
    pub(super) fn filing(&self, id: AtomId) -> Option<(&atoms::Atom, &Filing)> {
        let atom = self.atoms.get(id as usize)?;
        let filed = self.filings.get(id as usize)?;
        Some((atom, &filed.filing))
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

    /// The index of an attribute, whatever is tested of its values; that of a counter among the counters.
    pub(super) fn attribute(&mut self, attribute: &Attribute) -> AttributeId {
        let (base, key) = match lower_base(&attribute.base) {
            LoweredBase::Attribute(base, key) => (base, key),
            LoweredBase::Counter(counter) => return self.counters.index(counter),
        };
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

/// Where values come from, in the bundle.
pub(super) enum LoweredBase<'b> {
    Attribute(attributes::Base, Option<&'b [u8]>),
    Counter(usize),
}

pub(super) fn lower_base(base: &Base) -> LoweredBase<'_> {
    let (base, key) = match base {
        Base::Method => (Lowered::Method, None),
        Base::Scheme => (Lowered::Scheme, None),
        Base::Host => (Lowered::Host, None),
        Base::Hostname => (Lowered::Hostname, None),
        Base::Protocol => (Lowered::Protocol, None),
        Base::Id => (Lowered::Id, None),
        Base::Path => (Lowered::Path, None),
        Base::UrlPath => (Lowered::UrlPath, None),
        Base::Query => (Lowered::Query, None),
        Base::Param(name) => (Lowered::Param, Some(name.as_slice())),
        Base::Header(name) => (Lowered::Header, Some(name.as_bytes())),
        Base::Cookie(name) => (Lowered::Cookie, Some(name.as_slice())),
        Base::Time => (Lowered::Time, None),
        Base::SourceIp => (Lowered::SourceIp, None),
        Base::ClientIp => (Lowered::ClientIp, None),
        Base::Mtls => (Lowered::Mtls, None),
        Base::PeerUriSan => (Lowered::PeerUriSan, None),
        Base::PeerSubject => (Lowered::PeerSubject, None),
        Base::ServerName => (Lowered::ServerName, None),
        Base::TlsVersion => (Lowered::TlsVersion, None),
        Base::Claim(name) => (Lowered::Claim, Some(name.as_bytes())),
        Base::ResponseCode => (Lowered::ResponseCode, None),
        Base::ResponseHeader(name) => (Lowered::ResponseHeader, Some(name.as_bytes())),
        Base::BodyJson(pointer) => (Lowered::BodyJson, Some(pointer.as_bytes())),
        Base::BodyForm(name) => (Lowered::BodyForm, Some(name.as_slice())),
        Base::Custom { name, .. } => (Lowered::Custom, Some(name.as_bytes())),
        Base::Counter(counter) => return LoweredBase::Counter(*counter),
    };
    LoweredBase::Attribute(base, key)
}

pub(super) fn transform_code(transform: Transform) -> u8 {
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

pub(super) fn lower_view(view: View) -> atoms::View {
    match view {
        View::Value => atoms::View::Value,
        View::Int => atoms::View::Int,
        View::Double => atoms::View::Double,
        View::Length => atoms::View::Length,
        View::Size => atoms::View::Size,
        View::Address => atoms::View::Address,
    }
}

pub(super) fn lower_comparison(comparison: Comparison) -> atoms::Comparison {
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
    fn intern_chains(count: usize) -> Interner<'static> {
        let mut interner = Interner::new(&[], &[]);
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
    fn more_attributes_than_the_engine_keeps_are_refused() {
        let mut interner = Interner::new(&[], &[]);
        let add = |interner: &mut Interner<'_>, number: usize| {
            let attribute = Attribute {
                base: Base::Param(number.to_string().into_bytes()),
                transforms: Vec::new(),
                view: View::Value,
            };
            interner.atom(&Atom {
                attribute,
                test: Test::Present,
            });
        };
        (0..attributes::MAX_ATTRIBUTES).for_each(|number| add(&mut interner, number));
        assert!(interner.check_chains().is_ok());
        add(&mut interner, attributes::MAX_ATTRIBUTES);
        let refused = interner.check_chains();
        assert!(matches!(refused, Err(LowerError::TooManyAttributes)));
    }

    #[test]
    fn more_chains_than_the_engine_derives_are_refused() {
        assert!(intern_chains(attributes::MAX_CHAINS).check_chains().is_ok());
        let refused = intern_chains(attributes::MAX_CHAINS + 1).check_chains();
        assert!(matches!(refused, Err(LowerError::TooManyChains)));
    }
}
