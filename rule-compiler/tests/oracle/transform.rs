//! The transforms.

use riskgate_compiler::ir::Transform;

/// What a transform makes of a string; nothing if it drops it.
pub(crate) fn transform(step: Transform, value: &[u8]) -> Option<Vec<u8>> {
    match step {
        Transform::LowerAscii => Some(value.to_ascii_lowercase()),
        Transform::Trim => Some(trim(value).to_vec()),
        Transform::UrlDecode => Some(url_decode(value)),
        Transform::UrlDecodeAll => Some(url_decode_all(value)),
        Transform::NormalizePath => Some(normalize_path(value)),
        Transform::CompressSpaces => Some(compress_spaces(value)),
        Transform::RemoveNulls => Some(value.iter().copied().filter(|byte| *byte != 0).collect()),
        Transform::HtmlUnescape => Some(html_unescape(value)),
        Transform::Base64Decode => base64_decode(value),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0x09..=0x0d | 0x20)
}

/// Without white space at both ends.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_space(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_space(*last)
    {
        value = rest;
    }
    value
}

/// Once; a bad escape stays as it is.
pub(super) fn url_decode(mut value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    while let [first, rest @ ..] = value {
        (decoded, value) = match value {
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (with(decoded, 16 * hex_digit(*high) + hex_digit(*low)), rest)
            }
            _ => (with(decoded, *first), rest),
        };
    }
    decoded
}

fn with(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn hex_digit(digit: u8) -> u8 {
    let value = char::from(digit)
        .to_digit(16)
        .expect("the caller saw a hex digit");
    u8::try_from(value).expect("below 16")
}

fn url_decode_all(value: &[u8]) -> Vec<u8> {
    (0..5).fold(value.to_vec(), |value, _| url_decode(&value))
}

fn compress_spaces(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = value
        .iter()
        .map(|byte| if is_space(*byte) { b' ' } else { *byte })
        .collect();
    let mut compressed = spaced;
    compressed.dedup_by(|next, previous| *next == b' ' && *previous == b' ');
    compressed
}

fn normalize_path(value: &[u8]) -> Vec<u8> {
    let mut slashed: Vec<u8> = value
        .iter()
        .map(|byte| if *byte == b'\\' { b'/' } else { *byte })
        .collect();
    slashed.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
    remove_dot_segments(slashed)
}

/// RFC 3986 §5.2.4, step by step as it stands there, the steps' letters included.
fn remove_dot_segments(mut input: Vec<u8>) -> Vec<u8> {
    let mut output = Vec::new();
    while !input.is_empty() {
        if input.starts_with(b"../") {
            input.drain(..3); // A
        } else if input.starts_with(b"./") {
            input.drain(..2); // A
        } else if input.starts_with(b"/./") {
            input.drain(..2); // B
        } else if input == b"/." {
            input = b"/".to_vec(); // B
        } else if input.starts_with(b"/../") {
            input.drain(..3); // C
            remove_last_segment(&mut output);
        } else if input == b"/.." {
            input = b"/".to_vec(); // C
            remove_last_segment(&mut output);
        } else if input == b"." || input == b".." {
            input.clear(); // D
        } else {
            let end = input
                .iter()
                .skip(1)
                .position(|byte| *byte == b'/')
                .map_or(input.len(), |at| at + 1);
            output.extend(input.drain(..end)); // E
        }
    }
    output
}

/// The last segment and the `/` before it, if any.
fn remove_last_segment(output: &mut Vec<u8>) {
    let start = output.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    output.truncate(start);
}

fn html_unescape(mut value: &[u8]) -> Vec<u8> {
    let mut unescaped = Vec::new();
    while let [first, rest @ ..] = value {
        if let Some((character, rest)) = html_reference(value) {
            unescaped.extend(character.to_string().into_bytes());
            value = rest.strip_prefix(b";").unwrap_or(rest);
        } else {
            unescaped.push(*first);
            value = rest;
        }
    }
    unescaped
}

/// The character that a reference at the start of the value stands for, and what follows (the `;` still there).
fn html_reference(value: &[u8]) -> Option<(char, &[u8])> {
    const NAMED: [(&[u8], char); 5] = [
        (b"amp", '&'),
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"apos", '\''),
    ];
    let body = value.strip_prefix(b"&")?;
    for (name, character) in NAMED {
        if let Some(rest) = body.strip_prefix(name) {
            return Some((character, rest));
        }
    }
    match body {
        [b'#', b'x' | b'X', digits @ ..] => html_code_point(digits, 16),
        [b'#', digits @ ..] => html_code_point(digits, 10),
        _ => None,
    }
}

fn html_code_point(text: &[u8], radix: u32) -> Option<(char, &[u8])> {
    let digits: Vec<u32> = text
        .iter()
        .map_while(|byte| char::from(*byte).to_digit(radix))
        .collect();
    if digits.is_empty() {
        return None;
    }
    let code_point = digits.iter().fold(0_u32, |code, digit| {
        code.saturating_mul(radix).saturating_add(*digit)
    });
    Some((char::from_u32(code_point)?, &text[digits.len()..]))
}

fn base64_decode(value: &[u8]) -> Option<Vec<u8>> {
    let compact: Vec<u8> = value
        .iter()
        .copied()
        .filter(|byte| !is_space(*byte))
        .collect();
    let unpadded = without_padding(&compact)?;
    let mut bits = Vec::new();
    for letter in unpadded {
        let six = base64_digit(*letter)?;
        bits.extend((0..6).rev().map(|bit| six >> bit & 1));
    }
    // A lone last letter cannot hold a byte.
    if unpadded.len() % 4 == 1 {
        return None;
    }
    let (octets, _) = bits.as_chunks::<8>();
    Some(
        octets
            .iter()
            .map(|octet| octet.iter().fold(0, |byte, bit| byte << 1 | bit))
            .collect(),
    )
}

/// Padding is any run of `=` behind the data, with nothing behind it.
fn without_padding(compact: &[u8]) -> Option<&[u8]> {
    let letters = compact
        .iter()
        .position(|byte| *byte == b'=')
        .unwrap_or(compact.len());
    let (unpadded, padding) = compact.split_at(letters);
    padding.iter().all(|byte| *byte == b'=').then_some(unpadded)
}

fn base64_digit(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
