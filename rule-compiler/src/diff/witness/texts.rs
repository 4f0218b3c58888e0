//! Values of a text that may come out as tests want it, the likeliest first. Which do, the engine tells.

use std::collections::HashSet;

use riskgate_engine::atoms::{Comparison, View};
use riskgate_engine::number::Number;

use super::Want;
use super::automaton::{Automaton, shortest};
use super::disguise::{disguise, disguise_once, undo};
use crate::automaton::Pattern;
use crate::diff::resolve::{ExactNumber, Test};
use crate::front::pattern::to_hir;

/// Of a list so many values are tried.
const VALUES_TRIED: usize = 8;
/// So many texts are tried for an attribute.
const TEXTS_MAX: usize = 400;
/// A longer one is not made to reach a length.
const LENGTH_MAX: usize = 8_192;

/// So many texts are kept out of one that a pattern accepts.
const AVOIDED_MAX: usize = 4;

/// What nobody asks for, for tests that must not hold.
const FILLERS: [&[u8]; 8] = [b"x", b"1", b"", b"/", b"zq7", b"/zq7", b"A", b"a b"];

/// Texts for tests of one text.
pub(super) fn texts(wants: &[&Want]) -> Vec<Vec<u8>> {
    let cores = cores(wants);
    let mut chains: Vec<&[u8]> = wants
        .iter()
        .map(|want| want.atom.subject.transforms.as_slice())
        .collect();
    chains.sort_unstable();
    chains.dedup();
    let mut codes: Vec<u8> = chains.concat();
    codes.sort_unstable();
    codes.dedup();
    let mut texts = Ordered::default();
    for core in &cores {
        texts.push(core.clone());
        for chain in &chains {
            texts.push(undo(chain, core));
        }
    }
    for core in &cores {
        for chain in &chains {
            texts.push(disguise(chain, core));
        }
        for code in &codes {
            texts.push(disguise_once(*code, core));
        }
        for filler in [b"x".as_slice(), b"/x"] {
            texts.push([core, filler].concat());
            texts.push([filler, core].concat());
        }
        texts.push(core.to_ascii_uppercase());
        texts.push(core.to_ascii_lowercase());
    }
    texts.all
}

/// Each once, in the order of their coming.
#[derive(Default)]
struct Ordered {
    all: Vec<Vec<u8>>,
    seen: HashSet<Vec<u8>>,
}

impl Ordered {
    fn push(&mut self, text: Vec<u8>) {
        if self.all.len() < TEXTS_MAX && self.seen.insert(text.clone()) {
            self.all.push(text);
        }
    }
}

fn cores(wants: &[&Want]) -> Vec<Vec<u8>> {
    let mut cores = equals(wants);
    let frame = Frame::of(wants);
    cores.extend(frame.texts(wants));
    for want in wants {
        match (&want.atom.test, want.atom.view) {
            (Test::Compare(_, number), View::Int | View::Double) => {
                cores.extend(numbers(*number));
            }
            (Test::Compare(comparison, number), View::Length) => {
                cores.extend(frame.of_length(*comparison, *number));
            }
            _ => {}
        }
    }
    cores.extend(FILLERS.map(<[u8]>::to_vec));
    cores
}

/// Values that tests of membership want, and that those which are to fail do not have.
fn equals(wants: &[&Want]) -> Vec<Vec<u8>> {
    let unwanted: HashSet<&Vec<u8>> = wants
        .iter()
        .filter_map(|want| match &want.atom.test {
            Test::OneOf(values) if !want.holds => Some(values),
            _ => None,
        })
        .flatten()
        .collect();
    let mut values = Vec::new();
    for want in wants.iter().filter(|want| want.holds) {
        if let Test::OneOf(all) = &want.atom.test {
            let free = all.iter().filter(|value| !unwanted.contains(value));
            values.extend(free.take(VALUES_TRIED).cloned());
            // A transform may tell them apart all the same.
            values.extend(all.iter().take(2).cloned());
        }
    }
    values
}

/// What a text begins with, holds and ends with.
#[derive(Default)]
struct Frame {
    prefix: Vec<u8>,
    middle: Vec<u8>,
    suffix: Vec<u8>,
}

impl Frame {
    fn of(wants: &[&Want]) -> Frame {
        let mut frame = Frame::default();
        let mut parts: Vec<&Vec<u8>> = Vec::new();
        for want in wants.iter().filter(|want| want.holds) {
            match &want.atom.test {
                Test::StartsWith(text) if text.len() > frame.prefix.len() => {
                    frame.prefix.clone_from(text);
                }
                Test::EndsWith(text) if text.len() > frame.suffix.len() => {
                    frame.suffix.clone_from(text);
                }
                Test::Contains(text) => parts.push(text),
                _ => {}
            }
        }
        for part in parts {
            let ends = [frame.prefix.as_slice(), &frame.middle, &frame.suffix];
            let is_there = ends.iter().any(|end| holds(end, part));
            if !is_there {
                frame.middle.extend_from_slice(part);
            }
        }
        frame
    }

    fn texts(&self, wants: &[&Want]) -> Vec<Vec<u8>> {
        let front = [self.prefix.as_slice(), &self.middle].concat();
        let avoided = avoided(wants);
        let mut texts = Vec::new();
        for (patterns, avoided) in [(4, avoided.as_slice()), (4, &[]), (1, &[])] {
            let wanted = automata(wants, patterns, avoided);
            if wanted.iter().any(|(_, accept)| *accept) {
                texts.extend(shortest(&wanted, &front, &self.suffix));
                texts.extend(shortest(&wanted, &self.prefix, &self.suffix));
                texts.extend(shortest(&wanted, b"", b""));
            }
        }
        let is_framed = !front.is_empty() || !self.suffix.is_empty();
        if is_framed {
            texts.push([front.as_slice(), &self.suffix].concat());
            texts.push([front.as_slice(), b"x", &self.suffix].concat());
            if front.ends_with(&self.suffix) {
                texts.push(front);
            }
        }
        texts
    }

    /// Texts around a length.
    fn of_length(&self, comparison: Comparison, number: ExactNumber) -> Vec<Vec<u8>> {
        let Number::Int(length) = number.into() else {
            return Vec::new();
        };
        let lengths = match comparison {
            Comparison::Equal => [length, length.saturating_add(1)],
            Comparison::Less | Comparison::GreaterOrEqual => [length, length.saturating_sub(1)],
            Comparison::Greater | Comparison::LessOrEqual => [length.saturating_add(1), length],
        };
        let lengths = lengths
            .into_iter()
            .filter_map(|length| usize::try_from(length).ok());
        lengths
            .filter(|length| *length <= LENGTH_MAX)
            .map(|length| {
                let own = self.prefix.len() + self.middle.len() + self.suffix.len();
                let padding = vec![b'x'; length.saturating_sub(own)];
                let parts = [&self.prefix, &self.middle, &padding, &self.suffix];
                let mut text = parts.map(Vec::as_slice).concat();
                text.truncate(length);
                text
            })
            .collect()
    }
}

/// The automata of the first patterns, and of texts that must not stand there.
fn automata<'w>(
    wants: &'w [&Want],
    patterns: usize,
    avoided: &'w [Pattern],
) -> Vec<(Automaton<'w>, bool)> {
    let own = wants.iter().filter_map(|want| match &want.atom.test {
        Test::Matches(bytes) => Some((Automaton::read(bytes)?, want.holds)),
        _ => None,
    });
    let avoided = avoided.iter().map(Pattern::automaton);
    let avoided = avoided.filter_map(|bytes| Some((Automaton::read(bytes)?, false)));
    own.take(patterns).chain(avoided).collect()
}

/// Patterns of what must not stand in a text, so that a search for others passes it by.
fn avoided(wants: &[&Want]) -> Vec<Pattern> {
    let has_pattern = wants
        .iter()
        .any(|want| matches!(want.atom.test, Test::Matches(_)));
    let unwanted = wants.iter().filter(|want| has_pattern && !want.holds);
    let patterns = unwanted.filter_map(|want| {
        let escaped = |text: &[u8]| Some(regex_syntax::escape(str::from_utf8(text).ok()?));
        let text = match &want.atom.test {
            Test::Contains(text) => escaped(text)?,
            Test::StartsWith(text) => format!("^{}", escaped(text)?),
            Test::EndsWith(text) => format!("{}$", escaped(text)?),
            Test::OneOf(values) if values.len() == 1 => format!("^{}$", escaped(values.first()?)?),
            _ => return None,
        };
        Pattern::compile(&text, &to_hir(&text).ok()?).ok()
    });
    patterns.take(AVOIDED_MAX).collect()
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

fn numbers(number: ExactNumber) -> Vec<Vec<u8>> {
    let texts = match number.into() {
        Number::Int(value) => [value, value.saturating_add(1), value.saturating_sub(1)]
            .map(|value| value.to_string())
            .to_vec(),
        Number::Double(value) => [value, value + 0.5, value - 0.5, value * 2.0, value / 2.0]
            .map(|value| value.to_string())
            .to_vec(),
    };
    texts.into_iter().map(String::into_bytes).collect()
}
