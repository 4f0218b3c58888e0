//! Values that become others by a transform: what undoes it where it has to be undone, and what it would see through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A value that the chain turns into `value`, where one is easily told.
pub(super) fn undo(chain: &[u8], value: &[u8]) -> Vec<u8> {
    let codes = chain.iter().rev();
    codes.fold(value.to_vec(), |value, code| match code {
        2 | 3 => value
            .iter()
            .flat_map(|byte| escaped_if(*byte, *byte == b'%'))
            .collect(),
        7 => replaced(&value, b'&', b"&amp;"),
        8 => STANDARD.encode(value).into_bytes(),
        _ => value,
    })
}

/// Another spelling that the chain sees through, and what does without it does not.
pub(super) fn disguise(chain: &[u8], value: &[u8]) -> Vec<u8> {
    let codes = chain.iter().rev();
    codes.fold(value.to_vec(), |value, code| disguise_once(*code, &value))
}

/// As [`disguise`], of one transform by its code.
pub(super) fn disguise_once(code: u8, value: &[u8]) -> Vec<u8> {
    let (first, rest) = value.split_at(value.len().min(1));
    match code {
        0 => value.to_ascii_uppercase(),
        1 => [b" ", value, b" "].concat(),
        2 => [
            first
                .iter()
                .flat_map(|byte| escaped_if(*byte, true))
                .collect(),
            rest.to_vec(),
        ]
        .concat(),
        3 => {
            let once: Vec<u8> = first
                .iter()
                .flat_map(|byte| escaped_if(*byte, true))
                .collect();
            [replaced(&once, b'%', b"%25"), rest.to_vec()].concat()
        }
        4 => match value.strip_prefix(b"/") {
            Some(rest) => [b"/.//", rest].concat(),
            None => [b"./", value].concat(),
        },
        5 => replaced(value, b' ', b"  "),
        6 => [first, b"\0", rest].concat(),
        7 => {
            let reference = first
                .iter()
                .flat_map(|byte| format!("&#{byte};").into_bytes());
            [reference.collect(), rest.to_vec()].concat()
        }
        8 => STANDARD.encode(value).into_bytes(),
        _ => value.to_vec(),
    }
}

fn escaped_if(byte: u8, is_escaped: bool) -> Vec<u8> {
    if is_escaped {
        format!("%{byte:02x}").into_bytes()
    } else {
        vec![byte]
    }
}

fn replaced(value: &[u8], byte: u8, by: &[u8]) -> Vec<u8> {
    let bytes = value.iter();
    bytes
        .flat_map(|own| {
            if *own == byte {
                by.to_vec()
            } else {
                vec![*own]
            }
        })
        .collect()
}
