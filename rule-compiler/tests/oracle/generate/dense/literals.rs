//! Strings that have much in common.

use super::super::dice::Dice;

/// What a ruleset's strings are made of: the fewer the pieces, the more the strings share.
const PIECES: [&[&[u8]]; 8] = [
    &[b"a", b"b"],
    &[b"/", b"."],
    &[b"\0", b"\xff", b"\x80"],
    &[b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"],
    &[b"a", b"A", b"b", b"B", b"%", b"2", b"0", b"+"],
    &[
        b"/api", b"/v1", b"/v2", b"/item", b"/users", b"/", b"admin", b"-", b"7", b"42", b".php",
        b"?", b"x",
    ],
    &[
        b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"a", b"b", b"c", b"d", b"e",
        b"f",
    ],
    &[
        b"e",
        b"t",
        b"a",
        b"o",
        b"i",
        b"n",
        b"s",
        b"h",
        b"r",
        b"d",
        b"l",
        b"u",
        b"c",
        b"m",
        b"w",
        b"f",
        b"g",
        b"y",
        b"p",
        b"b",
        b"v",
        b"k",
        b"\xc3\xa9",
        b"0",
        b"1",
        b"2",
        b"_",
        b" ",
        b"/",
        b".",
        b"=",
    ],
];

/// From here on the pieces are so many that a string seldom stands in a value by chance.
const FIRST_SELECTIVE: usize = 5;

/// Strings, and what makes more of them.
#[derive(Debug)]
pub(super) struct Literals {
    pieces: &'static [&'static [u8]],
    selective: bool,
    pub(super) all: Vec<Vec<u8>>,
}

impl Literals {
    /// At least one string, many of them close relatives; of selective ones few stand in a value by chance.
    pub(super) fn new(count: usize, selective: bool, dice: &mut Dice) -> Self {
        let pieces = dice.pick(if selective {
            &PIECES[FIRST_SELECTIVE..]
        } else {
            &PIECES
        });
        let mut literals = Self {
            pieces,
            selective,
            all: Vec::with_capacity(count),
        };
        // The share of relatives differs from ruleset to ruleset.
        let related = *dice.pick(&[10, 50, 80]);
        for _ in 0..count.max(1) {
            let next = if dice.percent(related) && !literals.all.is_empty() {
                literals.relative(dice)
            } else {
                literals.fresh(dice)
            };
            literals.all.push(next);
        }
        literals
    }

    pub(super) fn any(&self, dice: &mut Dice) -> &Vec<u8> {
        dice.pick(&self.all)
    }

    /// Lengths on both sides of every length that an index may cut at.
    pub(super) fn fresh(&self, dice: &mut Dice) -> Vec<u8> {
        let least = if self.selective { 4 } else { 0 };
        let length = match dice.between(least, 19) {
            0..=3 => dice.between(1, 3),
            4..=9 => dice.between(4, 7),
            10..=16 => dice.between(8, 16),
            17 | 18 => dice.between(17, 60),
            _ => dice.between(61, 130),
        };
        self.letters(length, dice)
    }

    /// This many bytes of the pieces.
    pub(super) fn letters(&self, length: usize, dice: &mut Dice) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 8);
        while text.len() < length {
            text.extend_from_slice(dice.pick::<&[u8]>(self.pieces));
        }
        text.truncate(length);
        text
    }

    /// A part of one that is there, one around it, or one that looks like it.
    fn relative(&self, dice: &mut Dice) -> Vec<u8> {
        let mut text = self.any(dice).clone();
        let (one, other) = (dice.below(text.len() + 1), dice.below(text.len() + 1));
        let (start, end) = (one.min(other), one.max(other));
        let few = dice.between(1, 4);
        match dice.below(12) {
            0..=2 if self.selective => text.extend(self.fresh(dice)),
            0 => text.truncate(end),
            1 => drop(text.drain(..start)),
            2 => text = text[start..end].to_vec(),
            3 | 4 => text.extend(self.letters(few, dice)),
            5 | 6 => text.splice(..0, self.letters(few, dice)).for_each(drop),
            7 => blur(&mut text, dice),
            8 => text = text.repeat(few),
            9 => text = self.letters(1, dice).repeat(dice.between(1, 24)),
            10 => text = [text, self.any(dice).clone()].concat(),
            _ => text = swapped_case(&text),
        }
        text.truncate(200);
        if text.is_empty() {
            text = self.letters(1, dice);
        }
        text
    }
}

/// Changes, leaves out or puts in one byte.
pub(super) fn blur(text: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(text.len() + 1);
    let inside = at < text.len();
    match dice.below(5) {
        0 if inside => text[at] ^= 1 << dice.below(8),
        1 if inside => text[at] = dice.byte(),
        2 if inside => drop(text.remove(at)),
        3 if inside => {
            let next = (at + 1) % text.len();
            text.swap(at, next);
        }
        _ => text.insert(at, *dice.pick(b"ab/.%\0 Z")),
    }
}

pub(super) fn swapped_case(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|byte| match byte {
            byte if byte.is_ascii_lowercase() => byte.to_ascii_uppercase(),
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}
