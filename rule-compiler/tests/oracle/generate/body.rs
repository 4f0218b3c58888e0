//! Random bodies.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use riskgate_compiler::ir::Base;

use super::hostile::of_pieces;
use super::mutation::{percent, wire_value};
use super::request::Bytes;
use super::words::{noise, number_text, plain_value};

/// Places that rules name, and objects of bodies have.
const POINTERS: [&str; 10] = [
    "/q",
    "/n",
    "/items/*/q",
    "/items/0/n",
    "/items/1",
    "/*/q",
    "/a~1b",
    "/",
    "",
    "/missing/q",
];

pub(super) fn json_base() -> impl Strategy<Value = Base> {
    select(&POINTERS[..]).prop_map(|pointer| Base::BodyJson(pointer.to_owned()))
}

pub(super) fn form_base() -> impl Strategy<Value = Base> {
    select(&["q", "n", "a b", "", "missing"][..])
        .prop_map(|name| Base::BodyForm(name.as_bytes().to_vec()))
}

/// A body of any kind.
pub(crate) fn body() -> BoxedStrategy<Bytes> {
    prop_oneof![
        6 => value(3).prop_map(|text| text.into_bytes()),
        3 => form(),
        2 => hostile_json(),
        1 => noise(),
    ]
    .prop_map(Bytes)
    .boxed()
}

/// What is JSON or nearly so.
pub(super) fn hostile_json() -> BoxedStrategy<Vec<u8>> {
    of_pieces(&[
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"a\":", "\"\"", "\"b\":1,", "{\"a\":", "[[",
        "]]", "null", "true", "fals", "1", "-0", "1e5", "01", "1.", "\\", "\\u0061", "\\ud83d",
        "\\ude00", "\\n", " ", "\n", "\u{feff}", "\u{e9}", "\u{1}",
    ])
}

/// JSON of the names that pointers have.
fn value(depth: u32) -> BoxedStrategy<String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let scalar = prop_oneof![
        4 => wire_value().prop_map(move |value| quoted(&text(value), false)),
        2 => plain_value().prop_map(move |value| quoted(&text(value), true)),
        2 => number_text().prop_filter_map("a number of JSON", move |number| {
            let number = text(number);
            serde_json::from_str::<serde_json::Number>(&number).ok().map(|_| number)
        }),
        1 => select(&["null", "true", "false", "5", "1E400"][..]).prop_map(str::to_owned),
    ];
    scalar
        .prop_recursive(depth, 12, 4, |inner| {
            let name = select(&["q", "n", "items", "a/b", "", "other"][..]);
            let member = (name, any::<bool>(), inner.clone());
            let member = member
                .prop_map(|(name, escape, value)| format!("{}:{value}", quoted(name, escape)));
            prop_oneof![
                2 => vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(" ,"))),
                1 => vec(inner, 0..4).prop_map(|elements| format!("[ {} ]", elements.join(","))),
            ]
        })
        .boxed()
}

/// A string of JSON; `escape` writes all of it in escapes.
pub(super) fn quoted(text: &str, escape: bool) -> String {
    if !escape {
        return serde_json::Value::from(text).to_string();
    }
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

fn form() -> BoxedStrategy<Vec<u8>> {
    let name = select(&["q", "n", "a+b", "a%20b", "", "Q"][..]);
    let pair = prop_oneof![
        4 => (name, prop_oneof![wire_value(), plain_value()]).prop_map(|(name, value)| {
            let value: Vec<u8> = value.iter().flat_map(|byte| percent(*byte)).collect();
            [name.as_bytes(), b"=", &value].concat()
        }),
        1 => number_text().prop_map(|number| [b"n=", number.as_slice()].concat()),
        1 => noise(),
    ];
    vec(pair, 0..5).prop_map(|pairs| pairs.join(&b'&')).boxed()
}

/// A body that says something at a pointer, with whatever else it said before if that was JSON.
pub(super) fn with_json(body: Option<&Bytes>, pointer: &str, value: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(value);
    let is_number = serde_json::from_str::<serde_json::Number>(&text).is_ok();
    let mut inner = match is_number && value.len().is_multiple_of(2) {
        true => text.into_owned(),
        false => quoted(&text, value.len().is_multiple_of(3)),
    };
    let tokens: Vec<&str> = pointer.split('/').skip(1).collect();
    for (at, token) in tokens.iter().enumerate().rev() {
        inner = match token.parse::<usize>() {
            _ if *token == "*" => format!("[{inner}]"),
            Ok(index) => format!("[{}{inner}]", "null,".repeat(index.min(3))),
            Err(_) => {
                let name = token.replace("~1", "/").replace("~0", "~");
                let member = format!("{}:{inner}", quoted(&name, false));
                // Members of the outermost object join those that were there.
                match body {
                    Some(Bytes(body)) if at == 0 && body.starts_with(b"{\"") => {
                        let before = String::from_utf8_lossy(body);
                        let before = before.strip_suffix('}').unwrap_or(&before).to_owned();
                        format!("{before},{member}}}")
                    }
                    _ => format!("{{{member}}}"),
                }
            }
        };
    }
    Bytes(inner.into_bytes())
}

/// A form with one more field, in place of what was no form.
pub(super) fn with_field(body: Option<&Bytes>, name: &[u8], value: &[u8]) -> Bytes {
    let encoded = |text: &[u8]| -> Vec<u8> {
        let escaped = |byte: &u8| match byte {
            byte if byte.is_ascii_alphanumeric() => vec![*byte],
            byte => percent(*byte).to_vec(),
        };
        text.iter().flat_map(escaped).collect()
    };
    let pair = [encoded(name).as_slice(), b"=", &encoded(value)].concat();
    Bytes(match body {
        Some(Bytes(body)) if !body.starts_with(b"{") => [body.as_slice(), b"&", &pair].concat(),
        _ => pair,
    })
}
