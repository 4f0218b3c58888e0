//! From a place in a scalar's text back to the file.
//!
//! YAML folds lines and has escapes, so the two differ. Text and file are walked side by side: white space may have
//! been added, dropped or changed by folding, every other character comes from one character or one escape of the
//! file, in the same order.

use core::ops::Range;

use super::node::Style;

/// The bytes of `file` that `part` of `text` comes from, where `raw` are the bytes of `file` that the scalar takes.
///
/// When the two cannot be matched the whole scalar is given: a caret that is too wide beats one at a wrong place.
pub(crate) fn locate(
    file: &str,
    raw: &Range<usize>,
    text: &str,
    style: Style,
    part: &Range<usize>,
) -> Range<usize> {
    align(file, raw, text, style, part).unwrap_or_else(|| raw.clone())
}

fn align(
    file: &str,
    raw: &Range<usize>,
    text: &str,
    style: Style,
    part: &Range<usize>,
) -> Option<Range<usize>> {
    let mut cursor = Cursor {
        rest: file.get(raw.clone())?,
        at: raw.start,
        style,
    };
    if matches!(style, Style::SingleQuoted | Style::DoubleQuoted) {
        cursor.advance(1)?;
    }
    let mut start = None;
    let mut end = None;
    for (offset, wanted) in text.char_indices() {
        if offset >= part.end && start.is_some() {
            break;
        }
        let taken = cursor.take(wanted)?;
        if offset >= part.start {
            start.get_or_insert(taken.start);
            end = Some(taken.end);
        }
    }
    // A place at the end of the text has no character of its own.
    let start = start.unwrap_or(cursor.at);
    Some(start..end.unwrap_or(start))
}

struct Cursor<'a> {
    rest: &'a str,
    at: usize,
    style: Style,
}

/// One character of the text and how many bytes of the file it takes.
struct Unit {
    character: char,
    length: usize,
}

impl Cursor<'_> {
    /// The bytes that `wanted` comes from; the cursor moves past them.
    fn take(&mut self, wanted: char) -> Option<Range<usize>> {
        if is_white(wanted) {
            self.take_white()
        } else {
            self.take_black(wanted)
        }
    }

    /// White space of the text takes one of the file's if there is any: a folded line may have none left.
    fn take_white(&mut self) -> Option<Range<usize>> {
        self.skip_continuation()?;
        let start = self.at;
        if let Some(Unit { character, length }) = self.peek()
            && is_white(character)
        {
            self.advance(length)?;
        }
        Some(start..self.at)
    }

    fn take_black(&mut self, wanted: char) -> Option<Range<usize>> {
        loop {
            self.skip_continuation()?;
            let Unit { character, length } = self.peek()?;
            let start = self.at;
            self.advance(length)?;
            if character == wanted {
                return Some(start..self.at);
            }
            if !is_white(character) {
                return None;
            }
        }
    }

    /// `\` at the end of a line joins it to the next, without that line's indentation.
    fn skip_continuation(&mut self) -> Option<()> {
        while self.style == Style::DoubleQuoted
            && (self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r"))
        {
            self.advance(2)?;
            while self.rest.starts_with([' ', '\t', '\n', '\r']) {
                self.advance(1)?;
            }
        }
        Some(())
    }

    fn peek(&self) -> Option<Unit> {
        let first = self.rest.chars().next()?;
        match (self.style, first) {
            (Style::SingleQuoted, '\'') => Some(Unit {
                character: '\'',
                length: 2,
            }),
            (Style::DoubleQuoted, '\\') => escape(self.rest),
            _ => Some(Unit {
                character: first,
                length: first.len_utf8(),
            }),
        }
    }

    fn advance(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        self.at += length;
        Some(())
    }
}

/// An escape of YAML's double-quoted style.
fn escape(rest: &str) -> Option<Unit> {
    let letter = rest.chars().nth(1)?;
    let simple = |character| {
        Some(Unit {
            character,
            length: 1 + letter.len_utf8(),
        })
    };
    match letter {
        '0' => simple('\0'),
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        't' | '\t' => simple('\t'),
        'n' => simple('\n'),
        'v' => simple('\u{b}'),
        'f' => simple('\u{c}'),
        'r' => simple('\r'),
        'e' => simple('\u{1b}'),
        'N' => simple('\u{85}'),
        '_' => simple('\u{a0}'),
        'L' => simple('\u{2028}'),
        'P' => simple('\u{2029}'),
        'x' => hexadecimal(rest, 2),
        'u' => hexadecimal(rest, 4),
        'U' => hexadecimal(rest, 8),
        other => simple(other),
    }
}

fn hexadecimal(rest: &str, digits: usize) -> Option<Unit> {
    let value = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
    Some(Unit {
        character: char::from_u32(value)?,
        length: 2 + digits,
    })
}

fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::locate;
    use crate::{
        diagnostic::{Diagnostics, SourceMap},
        front::yaml::{Kind, Scalar, Style, parse},
    };

    /// The file's bytes behind a part of the scalar at `key:` of a document.
    fn located<'d>(document: &'d str, find: &str) -> &'d str {
        let (range, scalar) = scalar(document);
        let start = scalar.text.find(find).expect(find);
        &document[locate(
            document,
            &range,
            &scalar.text,
            scalar.style,
            &(start..start + find.len()),
        )]
    }

    fn scalar(document: &str) -> (core::ops::Range<usize>, Scalar) {
        let file = SourceMap::default().add("", "");
        let mut diagnostics = Diagnostics::default();
        let root = parse(file, document, &mut diagnostics)
            .unwrap_or_else(|| panic!("{document:?}: {diagnostics:?}"));
        let Kind::Mapping(mut entries) = root.kind else {
            panic!("a map")
        };
        let value = entries.remove(0).value;
        let Kind::Scalar(scalar) = value.kind else {
            panic!("a scalar")
        };
        (value.range, scalar)
    }

    #[test]
    fn every_style() {
        let cases = [
            ("key: a == b", "b", "b"),
            ("key: a ==\n  b\n", "b", "b"),
            ("key:\n  a\n\n  == b\n", "== b", "== b"),
            ("key: 'it''s b'", "s", "s"),
            ("key: 'it''s b'", "'", "''"),
            ("key: 'a\n\n  b'", "b", "b"),
            (r#"key: "a\tb""#, "b", "b"),
            (r#"key: "a\u00e9b""#, "é", r"\u00e9"),
            (r#"key: "a \"b\"""#, "\"b\"", r#"\"b\""#),
            (r#"key: "r\\d""#, "\\d", r"\\d"),
            ("key: \"a \\\n    b\"", "b", "b"),
            ("key: \"a\\\n    b\\\n  c\"", "c", "c"),
            (r#"key: "\x41\/\U0001F600z""#, "z", "z"),
            ("key: |\n  a\n    b\n", "b", "b"),
            ("key: |2-\n    a\n  b", "b", "b"),
            ("key: >-\n  a\n  b\n\n  c\n", "c", "c"),
            ("key: >\n  a\n    b\n  c\n", "c", "c"),
            ("key: |\r\n  a\r\n  b\r\n", "b", "b"),
            ("{key: a b}", "b", "b"),
            ("key: ééé b", "b", "b"),
        ];
        for (document, find, expected) in cases {
            assert_eq!(located(document, find), expected, "{document:?}");
        }
    }

    #[test]
    fn the_end_of_a_text_is_a_place_too() {
        let document = "key: 'a b'";
        let (range, scalar) = scalar(document);
        assert_eq!(
            locate(document, &range, &scalar.text, scalar.style, &(3..3)),
            9..9
        );
    }

    /// How a scalar of some words is written.
    fn written(words: &[String], style: u8, breaks: &[bool]) -> String {
        let gap = |index: usize| {
            if breaks.get(index).copied().unwrap_or(false) {
                "\n    "
            } else {
                " "
            }
        };
        let joined = |escape: &dyn Fn(&str) -> String| {
            words
                .iter()
                .enumerate()
                .fold(String::new(), |text, (index, word)| {
                    if index == 0 {
                        escape(word)
                    } else {
                        text + gap(index) + &escape(word)
                    }
                })
        };
        match style {
            0 => format!("key: '{}'\n", joined(&|word| word.replace('\'', "''"))),
            1 => format!(
                "key: \"{}\"\n",
                joined(&|word| word.replace('\\', "\\\\").replace('"', "\\\""))
            ),
            2 => format!(
                "key: \"{}\"\n",
                joined(&|word| word
                    .chars()
                    .map(|c| format!("\\U{:08x}", c as u32))
                    .collect())
            ),
            3 => format!("key: |\n    {}\n", joined(&str::to_owned)),
            4 => format!("key: >-\n    {}\n", joined(&str::to_owned)),
            _ => format!("key: x{}\n", joined(&|word| word.replace([':', '#'], "_"))),
        }
    }

    /// The text of a piece of the file, read by the YAML parser itself.
    fn unescaped(piece: &str, style: Style) -> String {
        match style {
            Style::SingleQuoted => scalar(&format!("key: '{piece}'")).1.text,
            Style::DoubleQuoted => scalar(&format!("key: \"{piece}\"")).1.text,
            Style::Plain | Style::Block => piece.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn every_character_is_found_again(
            words in prop::collection::vec("[a-z\"'\\\\=&|!()\\[\\]é😀:#]{1,6}", 1..6),
            style in 0_u8..6,
            breaks in prop::collection::vec(any::<bool>(), 6),
        ) {
            let document = written(&words, style, &breaks);
            let (range, scalar) = scalar(&document);
            for (offset, character) in scalar.text.char_indices().filter(|(_, character)| !character.is_whitespace()) {
                let part = offset..offset + character.len_utf8();
                let place = locate(&document, &range, &scalar.text, scalar.style, &part);
                prop_assert_eq!(unescaped(&document[place], scalar.style), character.to_string(), "{:?}", document);
            }
        }
    }
}
