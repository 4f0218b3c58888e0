//! `matches()` by the `regex` crate.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// More than one ruleset names; a long run sees ever new ones.
const MAX_KEPT: usize = 2_000;

/// More than a pattern takes whose automaton the compiler accepts.
const MAX_LEN: usize = 256 << 20;

/// Whether the pattern is found anywhere in the value.
pub(super) fn is_match(pattern: &str, value: &[u8]) -> bool {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(regex) = compiled.get(pattern) {
            return regex.is_match(value);
        }
        if compiled.len() >= MAX_KEPT {
            compiled.clear();
        }
        compiled
            .entry(pattern.to_owned())
            .or_insert_with(|| compile(pattern))
            .is_match(value)
    })
}

fn compile(pattern: &str) -> Regex {
    RegexBuilder::new(&ascii(pattern))
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(MAX_LEN)
        .build()
        .expect("the type checker lets no bad pattern through")
}

/// A non-ASCII literal stands for its UTF-8 bytes, as one unit for what repeats it.
fn ascii(pattern: &str) -> String {
    let mut ascii = String::new();
    for letter in pattern.chars() {
        if letter.is_ascii() {
            ascii.push(letter);
            continue;
        }
        ascii.push_str("(?:");
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            write!(ascii, r"\x{byte:02x}").expect("a string takes all that is written");
        }
        ascii.push(')');
    }
    ascii
}
