//! Transforms of byte strings. docs/rule-language.md says what each does.
//!
//! Each takes its input from a buffer's `start..` and rewrites it in place: no transform makes a value longer, but
//! `htmlUnescape`, whose code points never take more bytes than the entities that name them.

use alloc::vec::Vec;

/// A transform, by its code in bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Transform {
    LowerAscii = 0,
    Trim = 1,
    UrlDecode = 2,
    UrlDecodeAll = 3,
    NormalizePath = 4,
    CompressSpaces = 5,
    RemoveNulls = 6,
    HtmlUnescape = 7,
    Base64Decode = 8,
}

/// `urlDecodeAll` stops after so many passes.
const URL_DECODE_PASSES: usize = 5;

impl Transform {
    const ALL: [Transform; 9] = [
        Transform::LowerAscii,
        Transform::Trim,
        Transform::UrlDecode,
        Transform::UrlDecodeAll,
        Transform::NormalizePath,
        Transform::CompressSpaces,
        Transform::RemoveNulls,
        Transform::HtmlUnescape,
        Transform::Base64Decode,
    ];

    pub(crate) fn from_code(code: u8) -> Option<Transform> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Rewrites the bytes of `buffer` from `start` on. False: the value is invalid and is dropped.
    pub(crate) fn apply(self, buffer: &mut Vec<u8>, start: usize) -> bool {
        match self {
            Transform::LowerAscii => lower_ascii(buffer, start),
            Transform::Trim => trim(buffer, start),
            Transform::UrlDecode => {
                url_decode(buffer, start, false);
            }
            Transform::UrlDecodeAll => url_decode_all(buffer, start),
            Transform::NormalizePath => normalize_path(buffer, start),
            Transform::CompressSpaces => compress_spaces(buffer, start),
            Transform::RemoveNulls => remove_nulls(buffer, start),
            Transform::HtmlUnescape => html_unescape(buffer, start),
            Transform::Base64Decode => return base64_decode(buffer, start),
        }
        true
    }
}

/// White space of the language: bytes 09 to 0D and 20.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, 0x09..=0x0d | 0x20)
}

/// `bytes` without white space at both ends.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let Some(first) = bytes.iter().position(|&byte| !is_space(byte)) else {
        return &[];
    };
    let last = bytes
        .iter()
        .rposition(|&byte| !is_space(byte))
        .unwrap_or(first);
    bytes.get(first..=last).unwrap_or_default()
}

/// Percent-decodes once. A bad escape stays as it is; `+` becomes a space only where `plus_is_space`. Returns
/// whether anything changed.
pub(crate) fn url_decode(buffer: &mut Vec<u8>, start: usize, plus_is_space: bool) -> bool {
    let mut changed = false;
    rewrite(buffer, start, |rest| match rest {
        [b'%', high, low, ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => {
                changed = true;
                Step {
                    consumed: 3,
                    byte: Some(high << 4 | low),
                }
            }
            _ => Step::keep(b'%'),
        },
        [b'+', ..] if plus_is_space => Step {
            consumed: 1,
            byte: Some(b' '),
        },
        [byte, ..] => Step::keep(*byte),
        [] => Step {
            consumed: 1,
            byte: None,
        },
    });
    changed
}

/// One step of [`rewrite`]: how many bytes were read, and the one to write.
struct Step {
    consumed: usize,
    byte: Option<u8>,
}

impl Step {
    fn keep(byte: u8) -> Step {
        Step {
            consumed: 1,
            byte: Some(byte),
        }
    }
}

/// Walks the bytes from `start` on, writing at most one byte for each step behind the reading end.
fn rewrite(buffer: &mut Vec<u8>, start: usize, mut step: impl FnMut(&[u8]) -> Step) {
    let (mut read, mut write) = (start, start);
    while let Some(rest) = buffer.get(read..).filter(|rest| !rest.is_empty()) {
        let Step { consumed, byte } = step(rest);
        read += consumed.max(1);
        if let (Some(byte), Some(slot)) = (byte, buffer.get_mut(write)) {
            *slot = byte;
            write += 1;
        }
    }
    buffer.truncate(write);
}

fn lower_ascii(buffer: &mut [u8], start: usize) {
    if let Some(value) = buffer.get_mut(start..) {
        value.make_ascii_lowercase();
    }
}

fn trim(buffer: &mut Vec<u8>, start: usize) {
    let value = buffer.get(start..).unwrap_or_default();
    let leading = value.iter().take_while(|&&byte| is_space(byte)).count();
    let length = trimmed(value).len();
    let end = buffer.len();
    buffer.copy_within((start + leading).min(end)..end, start.min(end));
    buffer.truncate(start + length);
}

fn url_decode_all(buffer: &mut Vec<u8>, start: usize) {
    for _ in 0..URL_DECODE_PASSES {
        if !url_decode(buffer, start, false) {
            return;
        }
    }
}

fn compress_spaces(buffer: &mut Vec<u8>, start: usize) {
    let mut in_run = false;
    rewrite(buffer, start, |rest| {
        let byte = rest.first().copied().unwrap_or_default();
        let repeated = is_space(byte) && in_run;
        in_run = is_space(byte);
        Step {
            consumed: 1,
            byte: (!repeated).then_some(if in_run { b' ' } else { byte }),
        }
    });
}

fn remove_nulls(buffer: &mut Vec<u8>, start: usize) {
    rewrite(buffer, start, |rest| Step {
        consumed: 1,
        byte: rest.first().copied().filter(|&byte| byte != 0),
    });
}

/// `\` to `/`, runs of `/` to one, then RFC 3986 §5.2.4.
fn normalize_path(buffer: &mut Vec<u8>, start: usize) {
    let mut after_slash = false;
    rewrite(buffer, start, |rest| {
        let byte = match rest.first().copied().unwrap_or_default() {
            b'\\' => b'/',
            byte => byte,
        };
        let repeated = byte == b'/' && after_slash;
        after_slash = byte == b'/';
        Step {
            consumed: 1,
            byte: (!repeated).then_some(byte),
        }
    });
    remove_dot_segments(buffer, start);
}

/// RFC 3986 §5.2.4, in place: the output never overtakes the input. There are no empty segments here.
fn remove_dot_segments(buffer: &mut Vec<u8>, start: usize) {
    let end = buffer.len();
    let (mut read, mut write) = (start, start);
    while read < end {
        let rest = buffer.get(read..end).unwrap_or_default();
        match dot_segment(rest) {
            DotSegment::Skip(length) => read += length,
            DotSegment::Current { last } => {
                read += 2;
                if last {
                    write = put_slash(buffer, write);
                }
            }
            DotSegment::Parent { last } => {
                read += 3;
                write = drop_segment(buffer, start, write);
                if last {
                    write = put_slash(buffer, write);
                }
            }
            DotSegment::None => {
                let body = rest.get(1..).unwrap_or_default();
                let length = 1 + body
                    .iter()
                    .position(|&byte| byte == b'/')
                    .unwrap_or(body.len());
                buffer.copy_within(read..read + length, write);
                read += length;
                write += length;
            }
        }
    }
    buffer.truncate(write);
}

/// What the rest of a path starts with, in the terms of RFC 3986 §5.2.4 steps 2A to 2E.
enum DotSegment {
    /// A leading `../` or `./`, or the whole rest is `.` or `..`.
    Skip(usize),
    /// `/./`, or `/.` at the end.
    Current { last: bool },
    /// `/../`, or `/..` at the end.
    Parent { last: bool },
    /// An ordinary segment.
    None,
}

fn dot_segment(rest: &[u8]) -> DotSegment {
    match rest {
        [b'.', b'.', b'/', ..] => DotSegment::Skip(3),
        [b'.', b'/', ..] => DotSegment::Skip(2),
        [b'.'] => DotSegment::Skip(1),
        [b'.', b'.'] => DotSegment::Skip(2),
        [b'/', b'.', b'/', ..] => DotSegment::Current { last: false },
        [b'/', b'.'] => DotSegment::Current { last: true },
        [b'/', b'.', b'.', b'/', ..] => DotSegment::Parent { last: false },
        [b'/', b'.', b'.'] => DotSegment::Parent { last: true },
        _ => DotSegment::None,
    }
}

fn put_slash(buffer: &mut [u8], at: usize) -> usize {
    if let Some(slot) = buffer.get_mut(at) {
        *slot = b'/';
    }
    at + 1
}

/// Takes the last segment and the `/` before it off the output, and returns its new end.
fn drop_segment(buffer: &[u8], start: usize, write: usize) -> usize {
    let output = buffer.get(start..write).unwrap_or_default();
    start + output.iter().rposition(|&byte| byte == b'/').unwrap_or(0)
}

fn html_unescape(buffer: &mut Vec<u8>, start: usize) {
    let (mut read, mut write) = (start, start);
    while let Some(rest) = buffer.get(read..).filter(|rest| !rest.is_empty()) {
        let first = rest.first().copied().unwrap_or_default();
        let mut utf8 = [0; 4];
        let (consumed, output) = match entity(rest) {
            Some((consumed, code_point)) => (consumed, code_point.encode_utf8(&mut utf8).len()),
            None => {
                utf8[0] = first;
                (1, 1)
            }
        };
        read += consumed;
        for byte in utf8.iter().take(output) {
            if let Some(slot) = buffer.get_mut(write) {
                *slot = *byte;
                write += 1;
            }
        }
    }
    buffer.truncate(write);
}

/// A character entity at the front: how long it is, its `;` included, and what it stands for.
fn entity(rest: &[u8]) -> Option<(usize, char)> {
    const NAMED: [(&[u8], char); 5] = [
        (b"amp", '&'),
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"apos", '\''),
    ];
    let body = rest.strip_prefix(b"&")?;
    let (length, code_point) = match body {
        [b'#', b'x' | b'X', digits @ ..] => {
            let (count, code_point) = code_point(digits, 16)?;
            (3 + count, code_point)
        }
        [b'#', digits @ ..] => {
            let (count, code_point) = code_point(digits, 10)?;
            (2 + count, code_point)
        }
        _ => {
            let (name, code_point) = NAMED.iter().find(|(name, _)| body.starts_with(name))?;
            (1 + name.len(), *code_point)
        }
    };
    let closed = rest.get(length) == Some(&b';');
    Some((length + usize::from(closed), code_point))
}

fn code_point(digits: &[u8], radix: u32) -> Option<(usize, char)> {
    let count = digits
        .iter()
        .take_while(|&&byte| char::from(byte).is_digit(radix))
        .count();
    let value = digits.iter().take(count).fold(0_u32, |value, &byte| {
        let digit = char::from(byte).to_digit(radix).unwrap_or_default();
        value.saturating_mul(radix).saturating_add(digit)
    });
    let code_point = char::from_u32(value).filter(|_| count > 0)?;
    Some((count, code_point))
}

/// Lenient where lenient decoders are, so that what they accept cannot hide: bits left over behind the last whole byte are
/// ignored, and any run of `=` may end the data.
fn base64_decode(buffer: &mut Vec<u8>, start: usize) -> bool {
    let mut bits: u32 = 0;
    let mut sextets = 0_usize;
    let mut ended = false;
    let mut valid = true;
    rewrite(buffer, start, |rest| {
        let byte = rest.first().copied().unwrap_or_default();
        let sextet = base64_sextet(byte);
        ended |= byte == b'=';
        valid &= is_space(byte) || byte == b'=' || (sextet.is_some() && !ended);
        let byte = sextet.and_then(|sextet| {
            bits = bits << 6 | u32::from(sextet);
            sextets += 1;
            // The second, third and fourth sextet of each four complete a byte.
            let spare_bits = [0, 6, 4, 2].get(sextets % 4).copied().unwrap_or_default();
            (sextets % 4 != 1).then_some((bits >> spare_bits & 0xff) as u8)
        });
        Step { consumed: 1, byte }
    });
    valid && sextets % 4 != 1
}

fn base64_sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    const CORPUS: [(Transform, &str); 9] = [
        (
            Transform::LowerAscii,
            include_str!("../../testdata/transforms/lowerAscii.txt"),
        ),
        (
            Transform::Trim,
            include_str!("../../testdata/transforms/trim.txt"),
        ),
        (
            Transform::UrlDecode,
            include_str!("../../testdata/transforms/urlDecode.txt"),
        ),
        (
            Transform::UrlDecodeAll,
            include_str!("../../testdata/transforms/urlDecodeAll.txt"),
        ),
        (
            Transform::NormalizePath,
            include_str!("../../testdata/transforms/normalizePath.txt"),
        ),
        (
            Transform::CompressSpaces,
            include_str!("../../testdata/transforms/compressSpaces.txt"),
        ),
        (
            Transform::RemoveNulls,
            include_str!("../../testdata/transforms/removeNulls.txt"),
        ),
        (
            Transform::HtmlUnescape,
            include_str!("../../testdata/transforms/htmlUnescape.txt"),
        ),
        (
            Transform::Base64Decode,
            include_str!("../../testdata/transforms/base64Decode.txt"),
        ),
    ];

    #[test]
    fn every_line_of_the_corpus_holds() {
        for (transform, corpus) in CORPUS {
            let lines = corpus
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            let mut count = 0;
            for line in lines {
                let (input, output) = line.split_once(" -> ").unwrap();
                let expected = (output != "dropped").then(|| unquote(output));
                // What lies before the value belongs to others.
                let mut buffer = b"before".to_vec();
                buffer.extend_from_slice(&unquote(input));
                let kept = transform.apply(&mut buffer, 6);
                let value = buffer.get(6..).map(<[u8]>::to_vec).filter(|_| kept);
                assert_eq!(value, expected, "{transform:?} {line}");
                assert_eq!(
                    buffer.get(..6),
                    Some(b"before".as_slice()),
                    "{transform:?} {line}"
                );
                count += 1;
            }
            assert!(count > 5, "{transform:?} has {count} lines");
        }
    }

    #[test]
    fn codes_are_positions() {
        for (code, transform) in (0..).zip(Transform::ALL) {
            assert_eq!(transform as u8, code);
            assert_eq!(Transform::from_code(code), Some(transform));
        }
        assert_eq!(Transform::from_code(9), None);
    }

    #[test]
    fn only_form_decoding_takes_plus_for_a_space() {
        for (plus_is_space, expected) in [(true, "a b"), (false, "a+b")] {
            let mut buffer = b"a+b".to_vec();
            assert!(!url_decode(&mut buffer, 0, plus_is_space));
            assert_eq!(buffer, expected.as_bytes());
        }
    }

    /// The bytes of a quoted string.
    fn unquote(quoted: &str) -> Vec<u8> {
        let inner = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let mut bytes = Vec::new();
        let mut chars = inner.unwrap().chars();
        while let Some(char) = chars.next() {
            if char != '\\' {
                bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            bytes.push(match chars.next().unwrap() {
                't' => b'\t',
                'n' => b'\n',
                'r' => b'\r',
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).unwrap()
                }
                other => u8::try_from(other).unwrap(),
            });
        }
        bytes
    }
}
