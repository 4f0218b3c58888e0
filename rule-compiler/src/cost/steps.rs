//! What single things cost, in steps.

use std::iter::Sum;

use crate::ir::{Atom, Attribute, Base, List, ListValues, Test, Transform, View};

/// What something costs a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// If the request has any value of the attribute.
    pub(super) once: u64,
    /// For each value of it.
    pub(super) per_value: u64,
    /// For each byte of its values.
    pub(super) per_byte: u64,
}

impl Steps {
    pub(super) fn once(steps: u64) -> Steps {
        Steps {
            once: steps,
            ..Steps::default()
        }
    }

    pub(super) fn per_value(steps: u64) -> Steps {
        Steps {
            per_value: steps,
            ..Steps::default()
        }
    }

    pub(super) fn plus(self, other: Steps) -> Steps {
        Steps {
            once: self.once.saturating_add(other.once),
            per_value: self.per_value.saturating_add(other.per_value),
            per_byte: self.per_byte.saturating_add(other.per_byte),
        }
    }
}

impl Sum for Steps {
    fn sum<I: Iterator<Item = Steps>>(all: I) -> Steps {
        all.fold(Steps::default(), Steps::plus)
    }
}

/// How many halvings a search among so many takes at most.
pub(super) fn logarithm(count: u64) -> u64 {
    u64::from(count.saturating_add(1).next_power_of_two().ilog2())
}

/// To compare with a literal, sixteen bytes at a time.
pub(super) fn comparison(length: usize) -> u64 {
    1 + length as u64 / 16
}

/// To find a value, to copy it and to transform the copy.
pub(super) fn derivation(attribute: &Attribute) -> Steps {
    let transforms = attribute.transforms.iter().copied();
    let found = match attribute.base {
        // Where the path ends, and where the port begins.
        Base::UrlPath | Base::Query | Base::Hostname => 1,
        _ => 0,
    };
    Steps {
        once: 1,
        per_value: 2,
        per_byte: 1 + found + transforms.map(transformation).sum::<u64>(),
    }
}

/// For each byte. No transform makes a value longer.
fn transformation(transform: Transform) -> u64 {
    match transform {
        Transform::LowerAscii
        | Transform::Trim
        | Transform::UrlDecode
        | Transform::CompressSpaces
        | Transform::RemoveNulls
        | Transform::Base64Decode => 1,
        // Separators, segments, and the way back over a segment that is taken off.
        Transform::NormalizePath => 3,
        // Five names are tried.
        Transform::HtmlUnescape => 5,
        // In at most five passes.
        Transform::UrlDecodeAll => 5,
    }
}

/// To draw a request for a canary, beside hashing its keys.
pub(super) const DRAW_STEPS: u64 = 200;

/// To hash the first value, which may be the longest.
pub(super) fn hashing() -> Steps {
    Steps {
        once: 4,
        per_value: 0,
        per_byte: 4,
    }
}

/// To hash a key of a counter, beside its bytes.
pub(super) const KEY_STEPS: u64 = 250;

/// To find what is kept of a key, and to count it or to add up its slices.
pub(super) const COUNT_STEPS: u64 = 60;

/// To find out whether an atom is true, once the attribute is there.
pub(super) fn test(atom: &Atom, lists: &[List]) -> Steps {
    let parsed = Steps {
        once: 1,
        per_value: 2,
        per_byte: 1,
    };
    match (&atom.test, atom.attribute.view) {
        // Of each key of the request; to hash them is the counter's.
        _ if atom.attribute.base.is_counter() => Steps::per_value(COUNT_STEPS),
        (_, View::Int | View::Double) => parsed,
        (_, View::Length) => Steps::per_value(1),
        (_, View::Size) | (Test::Present | Test::IsTrue | Test::IsFalse, _) => Steps::once(1),
        // What the table of exact values did not find is false.
        (Test::Compare(..) | Test::OneOf(_), _) => Steps::once(1),
        (_, View::Address) => Steps {
            per_value: 8 + logarithm(networks(&atom.test, lists)),
            ..parsed
        },
        (Test::InPrefixes(prefixes), _) => Steps::once(1 + logarithm(prefixes.len() as u64)),
        (Test::InList(list), _) => match lists.get(*list).map(|list| &list.values) {
            Some(ListValues::Prefixes(prefixes)) => {
                Steps::once(1 + logarithm(prefixes.len() as u64))
            }
            Some(ListValues::Strings(values)) => Steps {
                per_value: 2 + logarithm(values.len() as u64),
                ..parsed
            },
            None => Steps::once(1),
        },
        (Test::StartsWith(text) | Test::EndsWith(text), _) => {
            Steps::per_value(comparison(text.len()))
        }
        (Test::Contains(_) | Test::Matches(_), _) => parsed,
    }
}

/// Among how many networks an address is looked for.
fn networks(test: &Test, lists: &[List]) -> u64 {
    let networks = match test {
        Test::InPrefixes(prefixes) => prefixes.len(),
        Test::InList(list) => match lists.get(*list).map(|list| &list.values) {
            Some(ListValues::Prefixes(prefixes)) => prefixes.len(),
            Some(ListValues::Strings(_)) | None => 0,
        },
        _ => 0,
    };
    networks as u64
}
