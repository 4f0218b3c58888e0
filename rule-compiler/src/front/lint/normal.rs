//! Tests that a client gets past by writing the same thing in another way.

use super::{
    Aim, Effect, Subject, about_tests,
    walk::{Tested, tests},
};
use crate::{
    diagnostic::Code,
    front::{check::Place, context::Context, when::When},
    ir::{Atom, Attribute, Base, Test, Transform, View},
};

/// Headers of which Envoy joins repeated ones with a comma before the filter sees them.
const JOINED: [&str; 5] = [
    "accept",
    "authorization",
    "content-type",
    "referer",
    "user-agent",
];

/// Warns of tests of what a client wrote, where what the upstream makes of it is meant.
pub(super) fn not_normalised(cx: &mut Context<'_>, when: &When<'_>, effect: Effect) {
    let tests = tests(when);
    let found: Vec<(&Tested<'_, '_>, Trick)> = tests
        .iter()
        .filter_map(|tested| Some((tested, trick(tested, effect)?)))
        .collect();
    let Some((first, trick)) = found.first() else {
        return;
    };
    let (example, remedy) = (trick.example(first), trick.remedy());
    let places: Vec<&Place<'_>> = found.iter().map(|(tested, _)| tested.place).collect();
    let message =
        |written: &str| format!("`{written}` is tested as the client wrote it: {example}");
    if let Some(diagnostic) = about_tests(cx, Code::NotNormalised, &places, message) {
        cx.report(diagnostic.help(remedy));
    }
}

/// Warns of a whole header that a second one makes another.
pub(super) fn joined_headers(cx: &mut Context<'_>, subject: &Subject<'_, '_>) {
    let effect = Effect::of(subject.then);
    let tests = tests(subject.when);
    let is_dodged = |tested: &&Tested<'_, '_>| {
        let Atom { attribute, test } = tested.atom;
        let is_joined =
            matches!(&attribute.base, Base::Header(name) if JOINED.contains(&name.as_str()));
        // No header at all is not dodged by another one, nor is an empty one.
        let is_whole = match test {
            Test::OneOf(values) => values.iter().any(|value| value.len() > 1),
            Test::InList(_) => true,
            _ => false,
        };
        is_joined
            && is_whole
            && attribute.view == View::Value
            && effect.rewards(tested.positive) == Some(Aim::Dodge)
    };
    let places: Vec<&Place<'_>> = tests
        .iter()
        .filter(is_dodged)
        .map(|tested| tested.place)
        .collect();
    let message = |written: &str| {
        format!(
            "a client that sends the header of `{written}` twice gets past this test: the values arrive as one, joined by a comma"
        )
    };
    if let Some(diagnostic) = about_tests(cx, Code::JoinedHeader, &places, message) {
        cx.report(diagnostic.help("test with `.contains(..)` or `.matches(..)`, or refuse a comma in this header by a rule of its own"));
    }
}

/// A way to write the same thing differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trick {
    /// Percent-encoding, dots and slashes in a path.
    Path,
    /// A query behind a path.
    Query,
    /// Dots that are decoded only after the path was normalised.
    Order,
    /// Dots that lead out of a folder.
    Folder,
    /// Percent-encoding.
    Encoding,
    /// Capital letters and ports in a host.
    Host,
    /// Capital letters in a word.
    Case,
}

impl Trick {
    /// What a client writes instead of a value that is tested for.
    fn example(self, tested: &Tested<'_, '_>) -> String {
        let Atom { attribute, test } = tested.atom;
        let word = literals(test).iter().find_map(|literal| shown(literal));
        let Some(word) = word else {
            return self.general_example().to_owned();
        };
        let is_decoded = is_decoded(attribute);
        match self {
            Self::Folder => format!(
                "`{}/../` starts alike and leads out of it",
                word.trim_end_matches('/')
            ),
            Self::Path if is_decoded => {
                format!("`/.{word}` is another text than `{word}` and may be the same resource")
            }
            Self::Path => format!(
                "`{}` is another text than `{word}` and may be the same resource",
                encoded(word)
            ),
            Self::Query => {
                format!("`{word}?x` is another text than `{word}` and the same resource")
            }
            Self::Order => format!(
                "`/%2E{word}` is another text than `{word}`, since what it is decoded to is not normalised"
            ),
            Self::Encoding => format!(
                "`{}` is another text than `{word}` and may mean the same",
                encoded(word)
            ),
            Self::Host => format!(
                "`{}:443` is another text than `{word}` and the same host",
                word.to_ascii_uppercase()
            ),
            Self::Case => format!(
                "`{}` is another text than `{word}` and may mean the same",
                word.to_ascii_uppercase()
            ),
        }
    }

    /// For a test that shows no value.
    fn general_example(self) -> &'static str {
        match self {
            Self::Path => {
                "`/a/../%61dmin//` is another text than `/admin` and may be the same resource"
            }
            Self::Query => "`/admin?x` is another text than `/admin` and the same resource",
            Self::Order => {
                "`/%2E/admin` is another text than `/admin`, since what it is decoded to is not normalised"
            }
            Self::Folder => "`/open/../` starts like `/open/` and leads out of it",
            Self::Encoding => "`%61` is another text than `a` and may mean the same",
            Self::Host => "`EXAMPLE.com:443` is another text than `example.com` and the same host",
            Self::Case => "capital letters are another text and may mean the same",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Path | Self::Folder => {
                "add `.urlDecodeAll().normalizePath()` before the test; if the proxy normalises paths, suppress this with that reason"
            }
            Self::Query => {
                "test `request.url_path`, which has no query, or what a path starts with"
            }
            Self::Order => "write `.urlDecodeAll()` before `.normalizePath()`",
            Self::Encoding => "add `.urlDecodeAll()` before the test",
            Self::Host => "test `request.hostname`, which is in lower case and has no port",
            Self::Case => "add `.lowerAscii()` before the test",
        }
    }
}

fn trick(tested: &Tested<'_, '_>, effect: Effect) -> Option<Trick> {
    let aim = effect.rewards(tested.positive)?;
    let Atom { attribute, test } = tested.atom;
    if attribute.view != View::Value || !has_letters(test) {
        return None;
    }
    let has = |wanted: &[Transform]| attribute.transforms.iter().any(|it| wanted.contains(it));
    let is_decoded = is_decoded(attribute);
    let is_normal = is_normal(attribute);
    let is_lower = has(&[Transform::LowerAscii]);
    match (&attribute.base, aim) {
        (Base::Path | Base::UrlPath, Aim::Dodge) if !is_decoded => Some(Trick::Path),
        (Base::Path | Base::UrlPath, Aim::Dodge) if is_from_the_root(test) && !is_normal => {
            Some(match has(&[Transform::NormalizePath]) {
                true => Trick::Order,
                false => Trick::Path,
            })
        }
        (Base::Path, Aim::Dodge) => is_at_the_end(test).then_some(Trick::Query),
        // What only starts like an open folder may lead out of it.
        (Base::Path | Base::UrlPath, Aim::Feign) => (matches!(test, Test::StartsWith(_))
            && !(is_decoded && is_normal))
            .then_some(Trick::Folder),
        (Base::Query, Aim::Dodge) if !is_decoded => Some(Trick::Encoding),
        (Base::Host, Aim::Dodge) if !is_lower => Some(Trick::Host),
        (base, Aim::Dodge) if is_free_text(base) => {
            (is_lower_word(test) && !is_lower).then_some(Trick::Case)
        }
        _ => None,
    }
}

/// Whether upstreams look for words in it without regard to case.
fn is_free_text(base: &Base) -> bool {
    match base {
        Base::Header(name) => name == "user-agent",
        Base::Query | Base::Param(_) | Base::Cookie(_) => true,
        base => base.is_of_body(),
    }
}

/// Whether a path is normalised after it was decoded.
fn is_normal(attribute: &Attribute) -> bool {
    let place = |wanted: &[Transform]| {
        let mut transforms = attribute.transforms.iter();
        transforms.rposition(|it| wanted.contains(it))
    };
    let decoded = place(&[Transform::UrlDecode, Transform::UrlDecodeAll]);
    place(&[Transform::NormalizePath]).is_some_and(|normal| decoded < Some(normal))
}

fn is_decoded(attribute: &Attribute) -> bool {
    let mut transforms = attribute.transforms.iter();
    transforms.any(|it| matches!(it, Transform::UrlDecode | Transform::UrlDecodeAll))
}

/// A literal that fits into a sentence and can be written otherwise.
fn shown(literal: &[u8]) -> Option<&str> {
    const SHOWN_MAX: usize = 40;
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'`';
    let fits = literal.len() <= SHOWN_MAX && literal.iter().all(is_plain);
    let word = str::from_utf8(literal).ok().filter(|_| fits)?;
    word.bytes()
        .any(|byte| byte.is_ascii_alphabetic())
        .then_some(word)
}

/// A word with its first letter percent-encoded.
fn encoded(word: &str) -> String {
    let letter = word.find(|character: char| character.is_ascii_alphabetic());
    let Some((before, rest)) = letter.and_then(|place| word.split_at_checked(place)) else {
        return word.to_owned();
    };
    let mut rest = rest.chars();
    let letter = rest.next().map_or(0, u32::from);
    format!("{before}%{letter:02X}{}", rest.as_str())
}

fn literals(test: &Test) -> &[Vec<u8>] {
    match test {
        Test::OneOf(literals) => literals,
        Test::StartsWith(literal) | Test::EndsWith(literal) | Test::Contains(literal) => {
            core::slice::from_ref(literal)
        }
        _ => &[],
    }
}

/// Without letters there is nothing that is worth writing differently.
fn has_letters(test: &Test) -> bool {
    let literals = match test {
        Test::InList(_) => return true,
        Test::Matches(pattern) => pattern
            .required()
            .map_or(&[][..], |required| &required.literals),
        _ => literals(test),
    };
    literals.iter().flatten().any(u8::is_ascii_alphabetic)
}

fn is_from_the_root(test: &Test) -> bool {
    matches!(test, Test::OneOf(_) | Test::StartsWith(_))
        && literals(test)
            .iter()
            .all(|literal| literal.starts_with(b"/"))
}

/// A word that is looked for within a value, all in lower case.
fn is_lower_word(test: &Test) -> bool {
    let is_lower = |word: &Vec<u8>| {
        word.iter().filter(|byte| byte.is_ascii_lowercase()).count() > 2
            && !word.iter().any(u8::is_ascii_uppercase)
    };
    match test {
        Test::Contains(word) => is_lower(word),
        // One that is needed whatever the case has both in its literals.
        Test::Matches(pattern) => pattern
            .required()
            .is_some_and(|required| required.literals.iter().all(is_lower)),
        _ => false,
    }
}

/// A test of what a value ends with, or of the whole. A literal with a `?` in it means the query.
fn is_at_the_end(test: &Test) -> bool {
    let is_in_path = |literal: &Vec<u8>| !literal.contains(&b'?');
    match test {
        Test::InList(_) => true,
        Test::OneOf(_) | Test::EndsWith(_) => literals(test).iter().all(is_in_path),
        _ => false,
    }
}
