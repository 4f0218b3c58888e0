//! Random patterns and values, and what the `regex` crate says of them.

use proptest::prelude::*;
use regex::bytes::{Regex, RegexBuilder};

/// Short, of few letters, so that it is often found.
pub(super) fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => "[abA]{1,5}",
        4 => "\\^[ab]{2}|\\(\\?m:\\^\\)[ab]{2}|[ab]{2}\\$|[ab]{2}\\(\\?m:\\$\\)",
        4 => prop::sample::select(vec![".", "[ab]", "[^a]", "^", "$", r"\b"]).prop_map(str::to_owned),
    ];
    let nested = leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("(?:{})", parts.join("|"))),
            2 => (inner.clone(), prop::sample::select(vec!["?", "*", "+", "{2}", "{1,3}", "{2,}"]))
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
            1 => inner.prop_map(|part| format!("(?i:{part})")),
        ]
    });
    nested.boxed()
}

/// Of the letters of [`pattern`]s.
pub(super) fn values() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[abAB\n]{0,10}", 30)
}

/// The pattern, understood as the language does.
pub(super) fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .expect(pattern)
}
