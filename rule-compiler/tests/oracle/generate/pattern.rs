//! Random regular expressions and texts over one small alphabet.

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof};
use proptest::sample::select;

use super::request::Bytes;

const LETTERS: [&str; 15] = [
    "a", "b", "A", "k", "0", "_", " ", "-", r"\n", r"\x00", r"\xff", "\u{e9}", r"\x{e9}",
    r"\u00e9", r"\r",
];
const CLASSES: [&str; 14] = [
    ".",
    r"\w",
    r"\W",
    r"\d",
    r"\D",
    r"\s",
    r"\S",
    "[ab]",
    "[^a]",
    "[a-k_]",
    "[[:upper:]]",
    r"[\x00\n]",
    r"[\x80-\xff]",
    "[^ -~]",
];
const EDGES: [&str; 16] = [
    "^",
    "$",
    r"\A",
    r"\z",
    r"\b",
    r"\B",
    r"\b{start}",
    r"\b{end}",
    r"\b{start-half}",
    r"\b{end-half}",
    "(?m:^)",
    "(?m:$)",
    "(?mR:^)",
    "(?mR:$)",
    "",
    "(?:)",
];
const REPEATS: [&str; 9] = ["*", "+", "?", "*?", "+?", "{2}", "{0,2}", "{1,}", "{0}"];
const FLAGS: [&str; 6] = ["(?i)", "(?-s)", "(?s)", "(?m)", "(?x)", "(?U)"];

/// A pattern.
pub(crate) fn pattern() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![4 => select(&LETTERS[..]), 2 => select(&CLASSES[..]), 2 => select(&EDGES[..])];
    let tree = leaf.prop_map(str::to_owned).prop_recursive(4, 16, 4, |inner| {
        let repeat = select(&REPEATS[..]);
        prop_oneof![
            4 => vec(inner.clone(), 2..=4).prop_map(|parts| parts.concat()),
            2 => vec(inner.clone(), 2..=3).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            2 => (inner.clone(), repeat).prop_map(|(part, repeat)| format!("(?:{part}){repeat}")),
            1 => (select(&FLAGS[..]), inner.clone()).prop_map(|(flag, part)| format!("(?:{flag}{part})")),
            1 => inner.prop_map(|part| format!("({part})")),
        ]
    });
    (select(&["", "", "", "^", r"\A", "(?i)"][..]), tree)
        .prop_map(|(start, tree)| format!("{start}{tree}"))
}

/// A text for patterns to be found in.
pub(crate) fn text() -> impl Strategy<Value = Bytes> {
    let byte = select(&b"aabbAAkK00__ --\n\n\r\0\xff\xc3\xa9\xc3"[..]);
    vec(byte, 0..12).prop_map(Bytes)
}
