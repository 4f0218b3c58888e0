//! Section `dfas`: compiled patterns, walked one byte at a time.
//!
//! Layout: count, then for each its length and: class count (u16), state count (u32), start state (u32), the class of
//! each byte (256 u8), a bit for each state that accepts at the end of the value, then for each state one next state
//! (u16 where there are at most 65,536 states, else u32) a class. State 0 rejects for ever, state 1 accepts at once.

use alloc::vec::Vec;

use crate::bundle::BundleError;
use crate::codec::{Bytes, Cursor, write_len};

/// Rejects for ever.
pub const DEAD: u32 = 0;
/// Accepts, whatever follows.
pub const ACCEPT: u32 = 1;
/// A pattern of more bytes is refused by the compiler and by the reader.
pub const MAX_LEN: usize = 1 << 20;

const NARROW_STATES: u32 = 1 << 16;
const CLASSES_LEN: usize = 256;

/// A complete automaton over bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DfaWriter {
    /// The class of each byte.
    pub classes: [u8; 256],
    /// How many classes there are, 1 to 256.
    pub class_count: u16,
    /// Where a walk starts.
    pub start: u32,
    /// Whether a state accepts at the end of the value; one a state.
    pub accepts_at_end: Vec<bool>,
    /// The next state, state by state, class by class; the rows of [`DEAD`] and [`ACCEPT`] come first.
    pub transitions: Vec<u32>,
}

impl DfaWriter {
    /// One automaton.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let state_count = u32::try_from(self.accepts_at_end.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&self.class_count.to_le_bytes());
        out.extend_from_slice(&state_count.to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.classes);
        for group in self.accepts_at_end.chunks(8) {
            let bits = group
                .iter()
                .enumerate()
                .map(|(bit, &accepts)| u8::from(accepts) << bit);
            out.push(bits.fold(0, |byte, bit| byte | bit));
        }
        for next in &self.transitions {
            let bytes = next.to_le_bytes();
            let width = if state_count <= NARROW_STATES { 2 } else { 4 };
            out.extend(bytes.into_iter().take(width));
        }
        out
    }
}

/// The section.
#[must_use]
pub fn write(dfas: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_len(dfas.len(), &mut out);
    for dfa in dfas {
        write_len(dfa.len(), &mut out);
        out.extend_from_slice(dfa);
    }
    out
}

/// One automaton, checked: every byte has a class, every next state exists.
#[derive(Debug, Clone)]
pub(crate) struct Dfa {
    classes: Bytes,
    class_count: usize,
    start: u32,
    accepts_at_end: Bytes,
    transitions: Bytes,
    width: usize,
}

impl Dfa {
    fn read(bytes: &Bytes) -> Result<Dfa, BundleError> {
        let what = "a pattern's automaton";
        if bytes.len() > MAX_LEN {
            return Err(BundleError::OverLimit { what });
        }
        let mut cursor = Cursor::new(bytes, what);
        let class_count = usize::from(cursor.u16()?);
        let state_count = cursor.u32()?;
        let start = cursor.u32()?;
        let take = |cursor: &mut Cursor<'_>, length: usize| {
            let start = bytes.len() - cursor.len();
            cursor.take(length)?;
            Ok::<_, BundleError>(bytes.part(start, length))
        };
        let classes = take(&mut cursor, CLASSES_LEN)?;
        let accepts_at_end = take(&mut cursor, (state_count as usize).div_ceil(8))?;
        let width = if state_count <= NARROW_STATES { 2 } else { 4 };
        let cells = (state_count as usize).checked_mul(class_count);
        let length = cells
            .and_then(|cells| cells.checked_mul(width))
            .ok_or(BundleError::Truncated { what })?;
        let transitions = take(&mut cursor, length)?;
        cursor.finish()?;
        let dfa = Dfa {
            classes,
            class_count,
            start,
            accepts_at_end,
            transitions,
            width,
        };
        let classes_fit = class_count <= CLASSES_LEN
            && dfa
                .classes
                .iter()
                .all(|&class| usize::from(class) < class_count);
        let states_fit =
            state_count >= 2 && start < state_count && dfa.cells().all(|next| next < state_count);
        if !classes_fit || !states_fit {
            return Err(BundleError::IndexOutOfRange { what });
        }
        Ok(dfa)
    }

    /// Whether the pattern is found in `value`. Takes one step a byte at most.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        let mut state = self.start;
        for &byte in value {
            match state {
                DEAD => return false,
                ACCEPT => return true,
                _ => state = self.next(state, byte),
            }
        }
        state == ACCEPT || state != DEAD && self.accepts_at_end(state)
    }

    fn next(&self, state: u32, byte: u8) -> u32 {
        let class = self
            .classes
            .get(usize::from(byte))
            .copied()
            .unwrap_or_default();
        let cell = state as usize * self.class_count + usize::from(class);
        let bytes = self
            .transitions
            .get(cell * self.width..)
            .unwrap_or_default();
        self.cell(bytes).unwrap_or(DEAD)
    }

    fn accepts_at_end(&self, state: u32) -> bool {
        let byte = self
            .accepts_at_end
            .get(state as usize / 8)
            .copied()
            .unwrap_or_default();
        byte >> (state % 8) & 1 == 1
    }

    fn cell(&self, bytes: &[u8]) -> Option<u32> {
        if self.width == 2 {
            return bytes
                .first_chunk()
                .copied()
                .map(u16::from_le_bytes)
                .map(u32::from);
        }
        bytes.first_chunk().copied().map(u32::from_le_bytes)
    }

    fn cells(&self) -> impl Iterator<Item = u32> {
        self.transitions
            .chunks_exact(self.width)
            .filter_map(|bytes| self.cell(bytes))
    }
}

/// The section, taken apart.
pub(crate) fn read(bytes: &Bytes) -> Result<Vec<Dfa>, BundleError> {
    let mut cursor = Cursor::new(bytes, "dfas");
    let count = cursor.u32()?;
    let mut dfas = Vec::new();
    for _ in 0..count {
        let length = cursor.u32()? as usize;
        let start = bytes.len() - cursor.len();
        cursor.take(length)?;
        dfas.push(Dfa::read(&bytes.part(start, length))?);
    }
    cursor.finish()?;
    Ok(dfas)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds `ab` anywhere (2 and 3), or `b` at the very end (4); padded to `state_count` with states nobody reaches.
    fn automaton(state_count: u32) -> Vec<u8> {
        let mut classes = [0; 256];
        for (byte, class) in [(b'a', 1), (b'b', 2)] {
            if let Some(slot) = classes.get_mut(usize::from(byte)) {
                *slot = class;
            }
        }
        let mut accepts_at_end = alloc::vec![false, true, false, false, true];
        let mut transitions = alloc::vec![
            DEAD, DEAD, DEAD, ACCEPT, ACCEPT, ACCEPT, 2, 3, 4, 2, 3, ACCEPT, 2, 3, 4,
        ];
        accepts_at_end.resize(state_count as usize, false);
        transitions.resize(3 * state_count as usize, DEAD);
        let start = 2;
        DfaWriter {
            classes,
            class_count: 3,
            start,
            accepts_at_end,
            transitions,
        }
        .write()
    }

    #[test]
    fn walks() {
        let cases = [
            ("", false),
            ("a", false),
            ("b", true),
            ("ab", true),
            ("xaab", true),
            ("abxx", true),
            ("ba", false),
            ("bx", false),
            ("axb", true),
            ("\u{e9}b", true),
        ];
        // On both sides of the limit up to which a next state takes two bytes.
        for state_count in [5, NARROW_STATES, NARROW_STATES + 1] {
            let dfa = Dfa::read(&automaton(state_count).as_slice().into()).unwrap();
            for (value, expected) in cases {
                assert_eq!(
                    dfa.is_match(value.as_bytes()),
                    expected,
                    "{value:?} of {state_count}"
                );
            }
        }
    }

    #[test]
    fn a_start_that_accepts_or_rejects_looks_at_nothing() {
        for (start, expected) in [(DEAD, false), (ACCEPT, true)] {
            let mut bytes = automaton(5);
            bytes.splice(6..10, start.to_le_bytes());
            let dfa = Dfa::read(&bytes.as_slice().into()).unwrap();
            assert_eq!(
                (dfa.is_match(b""), dfa.is_match(b"ab")),
                (expected, expected)
            );
        }
    }

    #[test]
    fn the_section_is_taken_apart() {
        assert_eq!(
            read(&write(&[automaton(5), automaton(6)]).as_slice().into())
                .unwrap()
                .len(),
            2
        );
        assert_eq!(read(&write(&[]).as_slice().into()).unwrap().len(), 0);
        assert!(read(&[].as_slice().into()).is_err());
        assert!(read(&write(&[alloc::vec![]]).as_slice().into()).is_err());
        assert!(read(&write(&[alloc::vec![0; MAX_LEN + 1]]).as_slice().into()).is_err());
    }
}
