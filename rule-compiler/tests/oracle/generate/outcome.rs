//! Random actions.

use proptest::collection::{btree_map, vec};
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use riskgate_compiler::ir::{Outcome, Reply, TemplatePart, Terminal};

/// What a rule does: never nothing.
pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    (
        weighted(0.5, terminal(true)),
        weighted(0.5, score()),
        tags(),
    )
        .prop_map(|(terminal, score, tags)| {
            let nothing = terminal.is_none() && score.is_none() && tags.is_empty();
            Outcome {
                terminal: if nothing {
                    Some(Terminal::Allow)
                } else {
                    terminal
                },
                score,
                tags,
            }
        })
}

/// Only the template of a rule may name the rule.
pub(super) fn terminal(of_rule: bool) -> impl Strategy<Value = Terminal> {
    prop_oneof![
        Just(Terminal::Allow),
        reply().prop_map(Terminal::Deny),
        reply().prop_map(Terminal::Challenge),
        template(of_rule).prop_map(Terminal::Redirect),
    ]
}

fn score() -> impl Strategy<Value = i32> {
    select(&[10, 20, 30, 50, 50, -20, 0, i32::MAX, i32::MIN][..])
}

fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = select(&["flash", "bot", "a-b"][..]).prop_map(str::to_owned);
    let value = select(&["yes", "no", "", "\u{e9}"][..]).prop_map(str::to_owned);
    btree_map(name, value, 0..3).prop_map(|tags| tags.into_iter().collect())
}

fn reply() -> impl Strategy<Value = Reply> {
    const HEADERS: [(&str, &str); 4] = [
        ("retry-after", "10"),
        ("content-type", "application/json"),
        ("x-empty", ""),
        ("set-cookie", "a=b"),
    ];
    let header = select(&HEADERS[..]).prop_map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body =
        select(&["", "no", "{\"code\":\"slow_down\"}", "\u{e9}"][..]).prop_map(str::to_owned);
    (
        select(&[200, 401, 403, 429, 503, 599][..]),
        vec(header, 0..3),
        body,
    )
        .prop_map(|(status, headers, body)| Reply {
            status,
            headers,
            body,
        })
}

fn template(of_rule: bool) -> impl Strategy<Value = Vec<TemplatePart>> {
    let literal = |text: &str| TemplatePart::Literal(text.to_owned());
    let part = prop_oneof![
        Just(TemplatePart::Path),
        Just(TemplatePart::Host),
        Just(TemplatePart::UrlPath),
        Just(if of_rule {
            TemplatePart::RuleId
        } else {
            TemplatePart::Path
        }),
        Just(literal("&then=/")),
    ];
    vec(part, 0..4).prop_map(move |parts| {
        let start = literal("https://verify.example.com/?return=");
        [vec![start], parts].concat()
    })
}
