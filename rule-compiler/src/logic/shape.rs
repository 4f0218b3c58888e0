//! What every value has in common that comes out of a chain of transforms.

use crate::automaton::Required;
use crate::ir::{Attribute, Base, Test, Transform, View};

/// Properties of the values of an attribute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// No byte of `A` to `Z`.
    pub(crate) lower: bool,
    /// No white space at either end.
    trimmed: bool,
    /// No white space but single spaces.
    spaced: bool,
    /// No byte 0.
    no_nulls: bool,
    /// No `?`.
    no_query: bool,
}

impl Shape {
    /// Of the values of an attribute.
    pub(crate) fn of(attribute: &Attribute) -> Self {
        let own = Self {
            lower: attribute.base == Base::Hostname,
            no_query: attribute.base == Base::UrlPath,
            ..Self::default()
        };
        attribute
            .transforms
            .iter()
            .fold(own, |shape, transform| shape.after(*transform))
    }

    fn after(self, transform: Transform) -> Self {
        match transform {
            Transform::LowerAscii => Self {
                lower: true,
                ..self
            },
            Transform::Trim => Self {
                trimmed: true,
                ..self
            },
            Transform::CompressSpaces => Self {
                spaced: true,
                ..self
            },
            // What stood around a null may stand side by side now.
            Transform::RemoveNulls => Self {
                lower: self.lower,
                no_query: self.no_query,
                no_nulls: true,
                ..Self::default()
            },
            // Segments are taken out, so that any two bytes may meet, but no byte is new but `/`.
            Transform::NormalizePath => Self {
                lower: self.lower,
                no_query: self.no_query,
                no_nulls: self.no_nulls,
                ..Self::default()
            },
            Transform::UrlDecode
            | Transform::UrlDecodeAll
            | Transform::HtmlUnescape
            | Transform::Base64Decode => Self::default(),
        }
    }

    /// Whether a value of this shape can hold the literal, at its start or its end if so.
    fn can_hold(self, literal: &[u8], at_start: bool, at_end: bool) -> bool {
        let is_space = |byte: &u8| matches!(byte, 9..=13 | b' ');
        let breaks_lower = self.lower && literal.iter().any(u8::is_ascii_uppercase);
        let breaks_nulls = self.no_nulls && literal.contains(&0);
        let breaks_query = self.no_query && literal.contains(&b'?');
        let breaks_trim = self.trimmed
            && ((at_start && literal.first().is_some_and(is_space))
                || (at_end && literal.last().is_some_and(is_space)));
        let odd_space = |pair: &[u8]| pair.iter().all(is_space);
        let breaks_spacing = self.spaced
            && (literal.iter().any(|byte| matches!(byte, 9..=13))
                || literal.windows(2).any(odd_space));
        !(breaks_lower || breaks_nulls || breaks_query || breaks_trim || breaks_spacing)
    }

    /// Whether this can be one of the values.
    pub(super) fn can_be(self, value: &[u8]) -> bool {
        self.can_hold(value, true, true)
    }

    /// Whether some value may satisfy a test of strings.
    pub(super) fn can_satisfy(self, test: &Test) -> bool {
        match test {
            Test::OneOf(values) => values.iter().any(|value| self.can_be(value)),
            Test::StartsWith(literal) => self.can_hold(literal, true, false),
            Test::EndsWith(literal) => self.can_hold(literal, false, true),
            Test::Contains(literal) => self.can_hold(literal, false, false),
            Test::Matches(pattern) => pattern
                .required()
                .is_none_or(|required| self.has_one(required)),
            _ => true,
        }
    }

    fn has_one(self, required: &Required) -> bool {
        let mut literals = required.literals.iter();
        literals.any(|literal| self.can_hold(literal, false, false))
    }
}

/// Whether a value is there for `to` whenever one is there for `from`.
pub(super) fn is_present_with(from: &Attribute, to: &Attribute) -> bool {
    if from == to {
        return true;
    }
    let shared = from.transforms.iter().zip(&to.transforms);
    let shared = shared.take_while(|(a, b)| a == b).count();
    let further = to.transforms.iter().skip(shared);
    from.base == to.base
        && matches!(to.view, View::Value | View::Length | View::Size)
        && !further.into_iter().any(|it| *it == Transform::Base64Decode)
}
