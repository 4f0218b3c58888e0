//! What an attacker does to a value to get it past a filter.

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

use super::words::plain_value;

#[derive(Debug, Clone)]
enum Mutation {
    Upper,
    PercentEncodeAll,
    PercentEncodeSpecial,
    PercentEncodeOne(Index),
    PlusForSpace,
    HtmlNumeric,
    HtmlNamed,
    Base64 { url_alphabet: bool, padded: bool },
    Insert(Index, &'static [u8]),
    Append(&'static [u8]),
    Prepend(&'static [u8]),
}

/// A value as it comes over the wire.
pub(super) fn wire_value() -> impl Strategy<Value = Vec<u8>> + Clone {
    let mutations = proptest::collection::vec(mutation(), 1..=3);
    prop_oneof![
        3 => plain_value(),
        4 => (plain_value(), mutations).prop_map(|(value, mutations)| mutations.iter().fold(value, mutated)),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> + Clone {
    use proptest::prelude::Just;
    const INSERTED: [&[u8]; 12] = [
        b"\0",
        b"%00",
        b"  ",
        b"\t",
        b"//",
        b"/./",
        b"/x/..",
        b"\\",
        b"%zz",
        b"\xc0\xaf",
        b"&#0;",
        b"&",
    ];
    const ENDS: [&[u8]; 13] = [
        b" ",
        b"\t \n",
        b"%20",
        b"%",
        b"%2",
        b"=",
        b"==",
        b"/",
        b"/..",
        b"/.",
        b"&amp",
        b"&#x110000;",
        b";",
    ];
    prop_oneof![
        2 => Just(Mutation::Upper),
        1 => Just(Mutation::PercentEncodeAll),
        2 => Just(Mutation::PercentEncodeSpecial),
        1 => any::<Index>().prop_map(Mutation::PercentEncodeOne),
        1 => Just(Mutation::PlusForSpace),
        1 => Just(Mutation::HtmlNumeric),
        1 => Just(Mutation::HtmlNamed),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(url_alphabet, padded)| Mutation::Base64 { url_alphabet, padded }),
        2 => (any::<Index>(), select(&INSERTED[..])).prop_map(|(at, text)| Mutation::Insert(at, text)),
        1 => select(&ENDS[..]).prop_map(Mutation::Append),
        1 => select(&ENDS[..]).prop_map(Mutation::Prepend),
    ]
}

fn mutated(value: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    match mutation {
        Mutation::Upper => value.to_ascii_uppercase(),
        Mutation::PercentEncodeAll => value.iter().flat_map(|byte| percent(*byte)).collect(),
        Mutation::PercentEncodeSpecial => value
            .iter()
            .flat_map(|byte| percent_special(*byte))
            .collect(),
        Mutation::PercentEncodeOne(at) => percent_one(&value, *at),
        Mutation::PlusForSpace => value
            .iter()
            .map(|byte| if *byte == b' ' { b'+' } else { *byte })
            .collect(),
        Mutation::HtmlNumeric => html_numeric(&value),
        Mutation::HtmlNamed => value.iter().flat_map(|byte| html_named(*byte)).collect(),
        Mutation::Base64 {
            url_alphabet,
            padded,
        } => base64(&value, *url_alphabet, *padded),
        Mutation::Insert(at, text) => {
            let (before, after) = value.split_at(at.index(value.len() + 1));
            [before, text, after].concat()
        }
        Mutation::Append(text) => [&value, *text].concat(),
        Mutation::Prepend(text) => [text, value.as_slice()].concat(),
    }
}

pub(super) fn percent(byte: u8) -> Vec<u8> {
    format!("%{byte:02x}").into_bytes()
}

pub(super) fn percent_special(byte: u8) -> Vec<u8> {
    if byte.is_ascii_alphanumeric() {
        vec![byte]
    } else {
        format!("%{byte:02X}").into_bytes()
    }
}

fn percent_one(value: &[u8], at: Index) -> Vec<u8> {
    if value.is_empty() {
        return Vec::new();
    }
    let at = at.index(value.len());
    [&value[..at], &percent(value[at]), &value[at + 1..]].concat()
}

/// Decimal and hexadecimal in turn, every third without its `;`.
pub(super) fn html_numeric(value: &[u8]) -> Vec<u8> {
    let reference = |(at, byte): (usize, &u8)| {
        let end = if at % 3 == 2 { "" } else { ";" };
        if at % 2 == 0 {
            format!("&#{byte}{end}")
        } else {
            format!("&#x{byte:04X}{end}")
        }
    };
    value
        .iter()
        .enumerate()
        .map(reference)
        .collect::<String>()
        .into_bytes()
}

fn html_named(byte: u8) -> Vec<u8> {
    match byte {
        b'&' => b"&amp;".to_vec(),
        b'<' => b"&lt;".to_vec(),
        b'>' => b"&gt".to_vec(),
        b'"' => b"&quot;".to_vec(),
        b'\'' => b"&apos;".to_vec(),
        byte => vec![byte],
    }
}

pub(crate) fn base64(value: &[u8], url_alphabet: bool, padded: bool) -> Vec<u8> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let last_two = if url_alphabet { b"-_" } else { b"+/" };
    let mut text = Vec::new();
    for chunk in value.chunks(3) {
        let octets = [
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ];
        let bits = u32::from_be_bytes([0, octets[0], octets[1], octets[2]]);
        for letter in 0..=chunk.len() {
            let digit = usize::try_from(bits >> (18 - 6 * letter) & 63).expect("six bits");
            text.push(
                LETTERS
                    .get(digit)
                    .copied()
                    .unwrap_or_else(|| last_two[digit - 62]),
            );
        }
        if padded {
            text.resize(text.len().next_multiple_of(4), b'=');
        }
    }
    text
}
