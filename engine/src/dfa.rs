//! Section `dfas`: compiled patterns, walked one byte at a time.
//!
//! Layout: count, then for each its length and: class count (u16), state count (u32), start (u32), the class of
//! each byte (256 u8), a bit for each state that accepts at the end of the value, then for each state a row of one next
//! state (u16 where there are at most 65,536 states, else u32) a class. State 0 rejects for ever, state 1 accepts at once.
//!
//! A state is written as the cell that its row begins with, so that a step is one addition and one load; but where its
//! index fits into two bytes and that cell may not, as its index.

use alloc::vec::Vec;

use crate::bundle::BundleError;
use crate::codec::{Bytes, Cursor, write_len};

/// Rejects for ever.
pub const DEAD: u32 = 0;
/// Accepts, whatever follows.
pub const ACCEPT: u32 = 1;
/// A pattern of more bytes is refused by the compiler and by the reader.
pub const MAX_LEN: usize = 1 << 20;

/// So many numbers fit into two bytes.
const NARROW: usize = 1 << 16;
const HEAD_LEN: usize = 10;
/// So many steps are taken between two looks at whether it is already decided.
const STRIDE: usize = 8;
const WHAT: &str = "a pattern's automaton";

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
        let form = Form::new(state_count, self.class_count.into());
        let code = |state: u32| match form {
            Form::Narrow | Form::Wide => {
                state.saturating_mul(self.class_count.into()).to_le_bytes()
            }
            Form::Indices => state.to_le_bytes(),
        };
        out.extend_from_slice(&self.class_count.to_le_bytes());
        out.extend_from_slice(&state_count.to_le_bytes());
        out.extend_from_slice(&code(self.start));
        out.extend_from_slice(&self.classes);
        for group in self.accepts_at_end.chunks(8) {
            let bits = group
                .iter()
                .enumerate()
                .map(|(bit, &accepts)| u8::from(accepts) << bit);
            out.push(bits.fold(0, |byte, bit| byte | bit));
        }
        for &next in &self.transitions {
            out.extend(code(next).into_iter().take(form.width()));
        }
        out
    }
}

/// How next states are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The cell that a row begins with, in two bytes.
    Narrow,
    /// Indices, in two bytes.
    Indices,
    /// The cell that a row begins with, in four bytes.
    Wide,
}

impl Form {
    fn new(state_count: u32, class_count: u32) -> Form {
        let states = state_count as usize;
        if states.saturating_mul(class_count as usize) <= NARROW {
            Form::Narrow
        } else if states <= NARROW {
            Form::Indices
        } else {
            Form::Wide
        }
    }

    /// In bytes.
    fn width(self) -> usize {
        match self {
            Form::Narrow | Form::Indices => 2,
            Form::Wide => 4,
        }
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

/// One automaton, checked: every byte has a class, every next state exists, the first two states stay what they are.
#[derive(Debug, Clone)]
pub(crate) struct Dfa {
    bytes: Bytes,
    class_count: u32,
    state_count: u32,
    /// The cell that its row begins with.
    start: u32,
}

/// Its bytes, taken apart.
struct Parts<'a> {
    classes: &'a [u8; 256],
    accepts_at_end: &'a [u8],
    /// Of two bytes, and of four: which of them are there says the form.
    narrow: &'a [[u8; 2]],
    wide: &'a [[u8; 4]],
    class_count: u32,
}

impl Parts<'_> {
    /// The row that a cell leads to; [`DEAD`] where there is none. `form` is that of the automaton.
    #[inline(always)]
    fn next(&self, form: Form, cell: usize) -> u32 {
        let narrow = || Some(u32::from(u16::from_le_bytes(*self.narrow.get(cell)?)));
        let wide = || Some(u32::from_le_bytes(*self.wide.get(cell)?));
        let row = match form {
            Form::Narrow => narrow(),
            Form::Indices => narrow().map(|state| state * self.class_count),
            Form::Wide => wide(),
        };
        row.unwrap_or(DEAD)
    }

    /// The row that a walk ends in, one of [`DEAD`] or [`ACCEPT`] perhaps a few steps late: both lead to themselves.
    #[inline(always)]
    fn walk(&self, form: Form, start: u32, value: &[u8]) -> u32 {
        let step = |row: u32, byte: &u8| {
            let class = self.classes.get(usize::from(*byte));
            let class = class.copied().unwrap_or_default();
            self.next(form, row as usize + usize::from(class))
        };
        let accept = self.class_count;
        let mut row = start;
        let (strides, rest) = value.as_chunks::<STRIDE>();
        for stride in strides {
            if row <= accept {
                return row;
            }
            row = stride.iter().fold(row, step);
        }
        rest.iter().fold(row, step)
    }
}

impl Dfa {
    fn read(bytes: &Bytes) -> Result<Dfa, BundleError> {
        if bytes.len() > MAX_LEN {
            return Err(BundleError::OverLimit { what: WHAT });
        }
        let mut cursor = Cursor::new(bytes, WHAT);
        let class_count = u32::from(cursor.u16()?);
        let state_count = cursor.u32()?;
        let start = cursor.u32()?;
        let classes: [u8; 256] = cursor.array()?;
        cursor.take((state_count as usize).div_ceil(8))?;
        let form = Form::new(state_count, class_count);
        let length = (state_count as usize)
            .checked_mul(class_count as usize)
            .and_then(|cells| cells.checked_mul(form.width()));
        cursor.take(length.ok_or(BundleError::Truncated { what: WHAT })?)?;
        cursor.finish()?;
        let dfa = Dfa {
            bytes: bytes.clone(),
            class_count,
            state_count,
            start: match form {
                Form::Narrow | Form::Wide => start,
                Form::Indices => start.saturating_mul(class_count),
            },
        };
        let classes_fit = (1..=256).contains(&class_count)
            && classes.iter().all(|&class| u32::from(class) < class_count);
        if !classes_fit || state_count < 2 || !dfa.states_fit(form) {
            return Err(BundleError::IndexOutOfRange { what: WHAT });
        }
        Ok(dfa)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn states_fit(&self, form: Form) -> bool {
        let Some(parts) = self.parts() else {
            return false;
        };
        let width = self.class_count as usize;
        let count = self.state_count as usize * width;
        let is_multiple = is_multiple_of(self.class_count);
        let is_row = |row: u32| (row as usize) < count && is_multiple(row);
        let stays = |state: usize| {
            let mut cells = state * width..(state + 1) * width;
            cells.all(|cell| parts.next(form, cell) as usize == state * width)
        };
        is_row(self.start)
            && (0..count).all(|cell| is_row(parts.next(form, cell)))
            && stays(DEAD as usize)
            && stays(ACCEPT as usize)
    }

    /// Whether the pattern is found in `value`. Takes one step a byte at most.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        let Some(parts) = self.parts() else {
            return false;
        };
        // Each loop is made for its form.
        let end = match Form::new(self.state_count, self.class_count) {
            Form::Narrow => parts.walk(Form::Narrow, self.start, value),
            Form::Indices => parts.walk(Form::Indices, self.start, value),
            Form::Wide => parts.walk(Form::Wide, self.start, value),
        };
        match end.checked_div(self.class_count).unwrap_or(DEAD) {
            DEAD => false,
            ACCEPT => true,
            state => is_set(parts.accepts_at_end, state),
        }
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (_, rest) = self.bytes.split_at_checked(HEAD_LEN)?;
        let (classes, rest) = rest.split_first_chunk()?;
        let length = (self.state_count as usize).div_ceil(8);
        let (accepts_at_end, cells) = rest.split_at_checked(length)?;
        Some(Parts {
            classes,
            accepts_at_end,
            narrow: cells.as_chunks().0,
            wide: cells.as_chunks().0,
            class_count: self.class_count,
        })
    }
}

fn is_set(bits: &[u8], index: u32) -> bool {
    let byte = bits.get(index as usize / 8).copied().unwrap_or_default();
    byte >> (index % 8) & 1 == 1
}

/// Tells multiples of `divisor` without dividing: of all numbers below 2^32, just those times ceil(2^64 / `divisor`),
/// modulo 2^64, stay below that factor. (Lemire, Kaser, Kurz: Faster remainder by direct computation, 2019.)
fn is_multiple_of(divisor: u32) -> impl Fn(u32) -> bool {
    let factor = (u64::MAX / u64::from(divisor.max(1))).wrapping_add(1);
    move |number| divisor == 1 || u64::from(number).wrapping_mul(factor) < factor
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
        // On both sides of the limits up to which a row's first cell and a state's index take two bytes.
        let states = u32::try_from(NARROW).unwrap();
        for state_count in [5, states / 3, states / 3 + 1, states, states + 1] {
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
            bytes.splice(6..10, (3 * start).to_le_bytes());
            let dfa = Dfa::read(&bytes.as_slice().into()).unwrap();
            assert_eq!(
                (dfa.is_match(b""), dfa.is_match(b"ab")),
                (expected, expected)
            );
        }
    }

    #[test]
    fn rows_that_nothing_may_lead_out_of_or_into_the_middle_of() {
        let cells = 10 + 256 + 1;
        for (cell, next, is_allowed) in [
            (1, DEAD, true),
            (1, 3 * ACCEPT, false),
            (4, 3 * ACCEPT, true),
            (4, DEAD, false),
            (7, 3 * 4, true),
            (7, 3 * 4 + 1, false),
            (7, 3 * 5, false),
        ] {
            let mut bytes = automaton(5);
            let at = cells + 2 * cell;
            bytes.splice(at..at + 2, u16::try_from(next).unwrap().to_le_bytes());
            let is_read = Dfa::read(&bytes.as_slice().into()).is_ok();
            assert_eq!(is_read, is_allowed, "cell {cell} leads to {next}");
        }
    }

    #[test]
    fn multiples_are_told_without_dividing() {
        let numbers = (0..2000).chain(u32::MAX - 2000..=u32::MAX);
        for number in numbers {
            for divisor in 1..=256 {
                assert_eq!(
                    is_multiple_of(divisor)(number),
                    number.is_multiple_of(divisor),
                    "{number} of {divisor}"
                );
            }
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
