//! Short texts that automata accept, and others reject: a breadth-first search over all of them at once.

use std::collections::{HashSet, VecDeque};

use riskgate_engine::dfa::{ACCEPT, DEAD};

/// A search that met so many sets of states is given up.
const MET_MAX: usize = 20_000;
/// So many texts are found.
const FOUND_MAX: usize = 3;
/// So many numbers fit into two bytes.
const NARROW: usize = 1 << 16;

/// An automaton, as section `dfas` lays it out.
#[derive(Debug)]
pub(super) struct Automaton<'a> {
    classes: &'a [u8],
    accepts_at_end: &'a [u8],
    cells: &'a [u8],
    class_count: usize,
    width: usize,
    /// Whether a cell holds the cell that a row begins with, instead of the row's index.
    holds_cells: bool,
    start: u32,
}

impl<'a> Automaton<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Automaton<'a>> {
        let (class_count, rest) = bytes.split_first_chunk()?;
        let (state_count, rest) = rest.split_first_chunk()?;
        let (start, rest) = rest.split_first_chunk()?;
        let (classes, rest) = rest.split_at_checked(256)?;
        let class_count = usize::from(u16::from_le_bytes(*class_count));
        let state_count = usize::try_from(u32::from_le_bytes(*state_count)).ok()?;
        let (accepts_at_end, cells) = rest.split_at_checked(state_count.div_ceil(8))?;
        let is_narrow = state_count.checked_mul(class_count)? <= NARROW;
        let mut automaton = Automaton {
            classes,
            accepts_at_end,
            cells,
            class_count,
            width: if is_narrow || state_count <= NARROW {
                2
            } else {
                4
            },
            holds_cells: is_narrow || state_count > NARROW,
            start: 0,
        };
        automaton.start = automaton.state(u32::from_le_bytes(*start))?;
        Some(automaton)
    }

    fn state(&self, code: u32) -> Option<u32> {
        let class_count = u32::try_from(self.class_count).ok()?;
        if self.holds_cells {
            code.checked_div(class_count)
        } else {
            Some(code)
        }
    }

    fn class(&self, byte: u8) -> u8 {
        self.classes
            .get(usize::from(byte))
            .copied()
            .unwrap_or_default()
    }

    fn next(&self, state: u32, byte: u8) -> u32 {
        let cell = || {
            let row = usize::try_from(state).ok()?.checked_mul(self.class_count)?;
            let at = row
                .checked_add(usize::from(self.class(byte)))?
                .checked_mul(self.width)?;
            let code = match *self.cells.get(at..at.checked_add(self.width)?)? {
                [a, b] => u32::from_le_bytes([a, b, 0, 0]),
                [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
                _ => return None,
            };
            self.state(code)
        };
        cell().unwrap_or(DEAD)
    }

    fn accepts(&self, state: u32) -> bool {
        let bit = || {
            let byte = self.accepts_at_end.get(usize::try_from(state / 8).ok()?)?;
            Some(byte >> (state % 8) & 1 == 1)
        };
        state == ACCEPT || (state != DEAD && bit().unwrap_or_default())
    }
}

/// Automata, and whether each is to accept.
pub(super) type Wanted<'a> = [(Automaton<'a>, bool)];

/// The shortest texts between `prefix` and `suffix`, of few that are equally short those with letters first.
pub(super) fn shortest(wanted: &Wanted<'_>, prefix: &[u8], suffix: &[u8]) -> Vec<Vec<u8>> {
    let walk = |states: &[u32], bytes: &[u8]| -> Vec<u32> {
        let step = |states: Vec<u32>, byte: &u8| {
            let automata = wanted.iter().zip(states);
            automata
                .map(|((automaton, _), state)| automaton.next(state, *byte))
                .collect()
        };
        bytes.iter().fold(states.to_vec(), step)
    };
    let are_all_met = |states: &[u32]| {
        let mut ends = wanted.iter().zip(walk(states, suffix));
        ends.all(|((automaton, accept), state)| automaton.accepts(state) == *accept)
    };
    let start: Vec<u32> = wanted
        .iter()
        .map(|(automaton, _)| automaton.start)
        .collect();
    let start = walk(&start, prefix);
    let alphabet = alphabet(wanted);
    let mut met = HashSet::from([start.clone()]);
    let mut open = VecDeque::from([(start, Vec::new())]);
    let mut found = Vec::new();
    while let Some((states, text)) = open.pop_front() {
        if are_all_met(&states) {
            found.push([prefix, text.as_slice(), suffix].concat());
        }
        if found.len() >= FOUND_MAX || met.len() > MET_MAX {
            break;
        }
        for byte in &alphabet {
            let next = walk(&states, &[*byte]);
            if met.insert(next.clone()) {
                let mut longer = text.clone();
                longer.push(*byte);
                open.push_back((next, longer));
            }
        }
    }
    found
}

/// One byte for each set of bytes that no automaton tells apart, the most ordinary of them.
fn alphabet(wanted: &Wanted<'_>) -> Vec<u8> {
    let ordinary = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'0'..=b'9' | b'A'..=b'Z' => 1,
        b'/' | b'-' | b'_' | b'.' => 2,
        0x21..=0x7e => 3,
        b' ' => 4,
        _ => 5,
    };
    let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
    bytes.sort_by_key(ordinary);
    let mut seen = HashSet::new();
    bytes.retain(|byte| {
        let classes: Vec<u8> = wanted
            .iter()
            .map(|(automaton, _)| automaton.class(*byte))
            .collect();
        seen.insert(classes)
    });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::Pattern;
    use crate::front::pattern::to_hir;

    fn pattern(text: &str) -> Pattern {
        Pattern::compile(text, &to_hir(text).unwrap()).unwrap()
    }

    fn search(patterns: &[(&str, bool)], prefix: &str, suffix: &str) -> Vec<String> {
        let compiled: Vec<Pattern> = patterns.iter().map(|(text, _)| pattern(text)).collect();
        let wanted: Vec<(Automaton<'_>, bool)> = compiled
            .iter()
            .zip(patterns)
            .map(|(pattern, (_, accept))| (Automaton::read(pattern.automaton()).unwrap(), *accept))
            .collect();
        let found = shortest(&wanted, prefix.as_bytes(), suffix.as_bytes());
        found
            .into_iter()
            .map(|text| String::from_utf8(text).unwrap())
            .collect()
    }

    #[test]
    fn what_is_found_matches() {
        type Case<'a> = (&'a [(&'a str, bool)], &'a str, &'a str, &'a str);
        let cases: [Case<'_>; 8] = [
            (&[("union.{1,3}select", true)], "", "", "unionaselect"),
            (&[("^/wp-[a-z]+[.]php$", true)], "", "", "/wp-a.php"),
            (&[("b[0-9]", true)], "/a/", ".js", "/a/b0.js"),
            (&[("^/x$", true)], "/x", "", "/x"),
            (&[("a", true), ("^a$", false)], "", "", "aa"),
            (
                &[("^[ab]{2}$", true), ("^a", false), ("b$", false)],
                "",
                "",
                "ba",
            ),
            (&[("(?i)Z", true), ("z", false)], "", "", "Z"),
            (&[("^a{300}$", true)], "", "", &"a".repeat(300)),
        ];
        for (patterns, prefix, suffix, expected) in cases {
            let found = search(patterns, prefix, suffix);
            assert_eq!(
                found.first().map(String::as_str),
                Some(expected),
                "{patterns:?}"
            );
            for text in found {
                for (pattern, accept) in patterns {
                    let regex = regex::bytes::Regex::new(pattern).unwrap();
                    assert_eq!(
                        regex.is_match(text.as_bytes()),
                        *accept,
                        "{pattern}: {text}"
                    );
                }
            }
        }
        assert!(search(&[("^a$", true), ("a", false)], "", "").is_empty());
        assert!(search(&[("^a$", true)], "b", "").is_empty());
    }

    #[test]
    fn every_layout_of_states_is_read() {
        // In cells of two bytes, in indices, and in cells of four bytes.
        for text in ["^.{40}x$", "^[a-z0-9]{40000}x$", "^.{100000}x$"] {
            let pattern = pattern(text);
            let automaton = Automaton::read(pattern.automaton()).unwrap();
            let count = text.trim_matches(|c: char| !c.is_ascii_digit());
            let count = count.rsplit('{').next().unwrap().parse().unwrap();
            let mut state = automaton.start;
            for _ in 0..count {
                state = automaton.next(state, b'a');
                assert!(!automaton.accepts(state));
            }
            assert!(automaton.accepts(automaton.next(state, b'x')), "{text}");
            assert!(!automaton.accepts(automaton.next(state, b'a')), "{text}");
        }
    }
}
