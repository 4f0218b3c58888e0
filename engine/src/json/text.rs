//! The tokens of a JSON text.

use alloc::vec::Vec;

use memchr::memchr;

/// Stands for half of a surrogate pair without its other half, which is no character.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// What is left of a text.
pub(crate) struct Text<'t> {
    bytes: &'t [u8],
}

/// A string, a number, `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar<'t> {
    /// Of a string, what stands between the quotes.
    raw: &'t [u8],
    has_escapes: bool,
}

impl<'t> Text<'t> {
    pub(crate) fn new(text: &'t str) -> Text<'t> {
        Text {
            bytes: text.as_bytes(),
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    pub(crate) fn step(&mut self) {
        self.bytes = self.bytes.get(1..).unwrap_or_default();
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        (*first == byte).then_some(())
    }

    pub(crate) fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.bytes {
            self.bytes = rest;
        }
    }

    /// Whether only white space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.bytes.is_empty()
    }

    /// The scalar that comes next; nothing inside for null.
    pub(crate) fn scalar(&mut self) -> Option<Option<Scalar<'t>>> {
        match self.peek()? {
            b'"' => self.string().map(Some),
            b't' => self.word(b"true").map(Some),
            b'f' => self.word(b"false").map(Some),
            b'n' => self.word(b"null").map(|_| None),
            _ => self.number().map(Some),
        }
    }

    /// The string that comes next.
    pub(crate) fn string(&mut self) -> Option<Scalar<'t>> {
        self.expect(b'"')?;
        let (mut length, mut has_escapes) = (0, false);
        loop {
            match self.bytes.get(length)? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    length += 1 + escape_len(self.bytes.get(length + 1..)?)?;
                }
                0..=0x1f => return None,
                _ => length += 1,
            }
        }
        let raw = self.take(length)?;
        self.step();
        Some(Scalar { raw, has_escapes })
    }

    fn word(&mut self, word: &[u8]) -> Option<Scalar<'t>> {
        let raw = self.take(word.len())?;
        (raw == word).then_some(Scalar::plain(raw))
    }

    fn number(&mut self) -> Option<Scalar<'t>> {
        let number = self.bytes;
        let mut rest = number.strip_prefix(b"-").unwrap_or(number);
        rest = match rest.split_first()? {
            (b'0', rest) => rest,
            _ => after_digits(rest)?,
        };
        if let Some(fraction) = rest.strip_prefix(b".") {
            rest = after_digits(fraction)?;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            let digits = exponent.strip_prefix(b"+");
            let digits = digits.or_else(|| exponent.strip_prefix(b"-"));
            rest = after_digits(digits.unwrap_or(exponent))?;
        }
        self.take(number.len() - rest.len()).map(Scalar::plain)
    }

    fn take(&mut self, length: usize) -> Option<&'t [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }
}

/// How long an escape is behind its backslash.
fn escape_len(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => code_unit(rest.get(1..)?).map(|_| 5),
        _ => None,
    }
}

/// Four hexadecimal digits.
fn code_unit(rest: &[u8]) -> Option<u32> {
    rest.get(..4)?.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | char::from(digit).to_digit(16)?)
    })
}

fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(digits..).filter(|_| digits > 0)
}

impl<'t> Scalar<'t> {
    fn plain(raw: &'t [u8]) -> Scalar<'t> {
        Scalar {
            raw,
            has_escapes: false,
        }
    }

    /// Appends the text of a number or a word, or what a string says.
    pub(crate) fn append_to(self, out: &mut Vec<u8>) {
        let mut rest = self.raw;
        if self.has_escapes {
            while let Some(at) = memchr(b'\\', rest) {
                let (before, escape) = rest.split_at_checked(at).unwrap_or_default();
                out.extend_from_slice(before);
                let (character, length) = unescape(escape.get(1..).unwrap_or_default());
                let mut buffer = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
                rest = escape.get(1 + length..).unwrap_or_default();
            }
        }
        out.extend_from_slice(rest);
    }
}

/// The character that an escape stands for, and how long it is behind the backslash.
fn unescape(rest: &[u8]) -> (char, usize) {
    let Some((kind, rest)) = rest.split_first() else {
        return (REPLACEMENT, 0);
    };
    let character = match kind {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unit(rest),
        other => char::from(*other),
    };
    (character, 1)
}

fn unescape_unit(rest: &[u8]) -> (char, usize) {
    let unit = code_unit(rest).unwrap_or_default();
    let second = rest.get(4..).and_then(|rest| rest.strip_prefix(b"\\u"));
    let second = second.and_then(code_unit);
    match (unit, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            let code = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(code).unwrap_or(REPLACEMENT), 11)
        }
        _ => (char::from_u32(unit).unwrap_or(REPLACEMENT), 5),
    }
}
