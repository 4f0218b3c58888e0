//! String literals: `'..'` and `".."` with escapes, `r'..'` and `r".."` without.
//!
//! As in CEL, `\xHH` is the code point HH, so `"\xe9"` is `é` and takes two bytes.

use core::ops::Range;

use super::error::SyntaxError;
use crate::{diagnostic::Code, front::text::quoted};

/// The value of the string literal that starts at `start`, and where it ends.
pub(crate) fn read_string(text: &str, start: usize) -> Result<(String, usize), SyntaxError> {
    let mut units = Units::new(text, start)?;
    let mut value = String::new();
    while let Some((character, _)) = units.next_unit()? {
        value.push(character);
    }
    Ok((value, units.at))
}

/// The bytes of `text` that `part` of the value of the literal at `literal` comes from.
pub(crate) fn place_in_literal(
    text: &str,
    literal: &Range<usize>,
    part: &Range<usize>,
) -> Range<usize> {
    exact_place(text, literal.start, part).unwrap_or_else(|| literal.clone())
}

fn exact_place(text: &str, start: usize, part: &Range<usize>) -> Option<Range<usize>> {
    let mut units = Units::new(text, start).ok()?;
    let mut offset = 0;
    let mut place: Option<Range<usize>> = None;
    while let Some((character, range)) = units.next_unit().ok()? {
        if offset >= part.end && place.is_some() {
            break;
        }
        if offset + character.len_utf8() > part.start {
            place = Some(place.map_or(range.start, |place| place.start)..range.end);
        }
        offset += character.len_utf8();
    }
    place
}

/// Walks through the characters of a literal.
struct Units<'a> {
    text: &'a str,
    start: usize,
    at: usize,
    quote: char,
    raw: bool,
}

impl<'a> Units<'a> {
    fn new(text: &'a str, start: usize) -> Result<Self, SyntaxError> {
        let rest = text.get(start..).unwrap_or("");
        let raw = rest.starts_with(['r', 'R']);
        let open = start + usize::from(raw);
        let quoted = text.get(open..).unwrap_or("");
        if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") {
            let help = "write it in single `\"`, with `\\n` for line breaks";
            return Err(SyntaxError::unsupported(
                start..open + 3,
                "a triple-quoted string is",
                help,
            ));
        }
        Ok(Self {
            text,
            start,
            at: open + 1,
            quote: if quoted.starts_with('\'') { '\'' } else { '"' },
            raw,
        })
    }

    /// The next character with its place, or nothing at the closing quote, which is then behind.
    fn next_unit(&mut self) -> Result<Option<(char, Range<usize>)>, SyntaxError> {
        let start = self.at;
        let Some(character) = self.bump().filter(|&character| character != '\n') else {
            let help = format!(
                "close it with `{}`; write `\\n` for a line break",
                self.quote
            );
            return Err(SyntaxError::new(
                Code::InvalidString,
                self.start..start,
                "a string without its end",
                help,
            ));
        };
        if character == self.quote {
            return Ok(None);
        }
        let character = if character == '\\' && !self.raw {
            self.escape(start)?
        } else {
            character
        };
        Ok(Some((character, start..self.at)))
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.text.get(self.at..)?.chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn escape(&mut self, start: usize) -> Result<char, SyntaxError> {
        let letter = self.bump();
        let found = match letter {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some(same @ ('\\' | '"' | '\'')) => Some(same),
            Some('x') => self.code_point(2),
            Some('u') => self.code_point(4),
            Some('U') => self.code_point(8),
            _ => None,
        };
        found.ok_or_else(|| {
            let range = start..self.at.max(start + 1);
            let written = self.text.get(range.clone()).unwrap_or_default();
            let message = format!("there is no escape {}", quoted(written));
            let help = "write `\\\\` for a backslash, or a raw string such as r\"\\d+\"; \
                        escapes are \\n \\t \\r \\\\ \\\" \\' \\xHH \\uHHHH \\UHHHHHHHH";
            SyntaxError::new(Code::InvalidString, range, message, help)
        })
    }

    fn code_point(&mut self, digits: usize) -> Option<char> {
        let hexadecimal = self.text.get(self.at..self.at + digits)?;
        if !hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits;
        char::from_u32(u32::from_str_radix(hexadecimal, 16).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::{place_in_literal, read_string};
    use crate::diagnostic::Code;

    #[test]
    fn values() {
        let cases = [
            (r#""abc""#, "abc"),
            (r"'it\'s'", "it's"),
            (r#""a\n\t\r\\\"\'b""#, "a\n\t\r\\\"'b"),
            (r#""\x41\u00e9\U0001F600""#, "Aé😀"),
            (r#""\xe9""#, "é"),
            (r#"r"\d\"#, "\\d\\"),
            (r"R'\x'", "\\x"),
            (r#""""#, ""),
            (r#""é" tail"#, "é"),
        ];
        for (text, expected) in cases {
            let text = if text == r#"r"\d\"# {
                "r\"\\d\\\""
            } else {
                text
            };
            assert_eq!(read_string(text, 0).expect(text).0, expected, "{text}");
        }
    }

    #[test]
    fn errors() {
        let cases = [
            (r#""abc"#, Code::InvalidString, 0..4),
            ("\"a\nb\"", Code::InvalidString, 0..2),
            (r#""a\d""#, Code::InvalidString, 2..4),
            (r#""\x4g""#, Code::InvalidString, 1..3),
            (r#""\ud800""#, Code::InvalidString, 1..7),
            (r#""\U00110000""#, Code::InvalidString, 1..11),
            (r#""\"#, Code::InvalidString, 1..2),
            (r#""""x""""#, Code::UnsupportedConstruct, 0..3),
        ];
        for (text, code, range) in cases {
            let error = read_string(text, 0).expect_err(text);
            assert_eq!((error.code, error.range), (code, range), "{text}");
        }
    }

    #[test]
    fn places_inside() {
        let text = r#"x == "a\\dé\x41z""#;
        let literal = 5..text.len();
        let cases = [
            (0..1, "a"),
            (1..2, r"\\"),
            (2..3, "d"),
            (3..5, "é"),
            (5..6, r"\x41"),
            (6..7, "z"),
            (1..3, r"\\d"),
        ];
        for (part, expected) in cases {
            assert_eq!(
                &text[place_in_literal(text, &literal, &part)],
                expected,
                "{part:?}"
            );
        }
        assert_eq!(place_in_literal(text, &literal, &(99..100)), literal);
    }
}
