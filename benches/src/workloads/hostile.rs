//! Requests that are built to be slow, within Envoy's default limit of 60 KiB of headers.

use super::{Case, SEED, Stream, Suite};
use crate::model::{self, PROBED_FOLDERS, Predicate, Rule, Shape, TrafficItem};

/// Requests of one stream: fewer, for they are long.
const REQUESTS: usize = 16;

/// Rules beside the generated ones: id and condition.
const SPECIAL: [(&str, &str); 12] = [
    ("argument", r#"request.params["needle"] == "found""#),
    ("numbers", r#"int(request.params["n"]) > 1000000"#),
    (
        "decoded-path",
        r#"request.url_path.urlDecodeAll().normalizePath().lowerAscii().contains("/etc/passwd")"#,
    ),
    (
        "decoded-query",
        r#"request.query.urlDecodeAll().lowerAscii().contains("union select")"#,
    ),
    ("cookie", r#"request.cookies["needle"] == "found""#),
    (
        "unescaped",
        r#"request.headers["x-note"].htmlUnescape().lowerAscii().contains("<script")"#,
    ),
    (
        "base64",
        r#"request.headers["x-note"].base64Decode().contains("<?php")"#,
    ),
    (
        "spaces",
        r#"request.headers["x-note"].trim().compressSpaces().removeNulls().endsWith("; drop table")"#,
    ),
    (
        "regex",
        r#"request.url_path.matches("(?:union|select|insert)[/a-z]*(?:from|into)[/a-z]*(?:where|values)[0-9]")"#,
    ),
    (
        "same-letters",
        r#"request.url_path.contains("aaaaaaaaaZ") || request.url_path.contains("aaaaaaaaaaaaaaaaaY") || request.url_path.contains("Zaaaaaaaaaaaa")"#,
    ),
    (
        "nested-repetitions",
        r#"request.url_path.matches("(?:(?:a+)+)+Z")"#,
    ),
    (
        "alternatives-alike",
        r#"request.url_path.matches("^(?:/a|/aa|/a*)*Z$")"#,
    ),
];

pub(super) fn suite(count: usize) -> Suite {
    let generated = model::rules(SEED, count - SPECIAL.len(), Shape::Selective);
    let streams = vec![
        stream("hot grams", |item| {
            item.path = hot_grams();
            vec![]
        }),
        stream("literals without their last byte", |item| {
            item.path = almost_literals(&generated);
            vec![]
        }),
        stream("one letter", |item| {
            item.path = format!("/{}", "a".repeat(58_000));
            vec![]
        }),
        stream("60 KB of headers", sixty_kilobytes_of_headers),
        stream("3,000 values of one header", many_values),
        stream("10,000 query arguments", many_arguments),
        stream("escapes of escapes", nested_escapes),
        stream("dots and slashes", dots_and_slashes),
        stream("a note of entities", |item| {
            note(item, "&#x26;amp;&lt;&notanentity;", &[])
        }),
        stream("a note of base64", |item| {
            note(item, "PD9waHA\t_-+/", &["base64"])
        }),
        stream("a note of spaces", |item| note(item, " \t  \u{b} ;", &[])),
        stream("a regex that nearly matches", |item| {
            item.path = "/union/from/select/into/where".repeat(1900);
            vec![]
        }),
    ];
    Suite {
        group: "hostile",
        rules: count,
        streams,
        files: files(&generated),
    }
}

/// A stream of one request with small differences; `change` returns the rules that it makes match.
fn stream(name: &str, change: impl Fn(&mut TrafficItem) -> Vec<&'static str>) -> Stream {
    let case = |mut item| {
        let expect = change(&mut item);
        Case {
            item,
            expect: expect.into_iter().map(str::to_owned).collect(),
        }
    };
    let items = model::traffic(SEED + 6, &[], REQUESTS, 0.0);
    Stream {
        name: name.to_owned(),
        cases: items.into_iter().map(case).collect(),
        may_differ: 0,
    }
}

/// The grams that most literals share, with nothing behind them that a literal goes on with.
fn hot_grams() -> String {
    let folders: String = PROBED_FOLDERS
        .iter()
        .map(|folder| folder.trim_end_matches('/'))
        .collect();
    folders.repeat(58_000 / folders.len())
}

fn almost_literals(rules: &[Rule]) -> String {
    let literals =
        rules
            .iter()
            .flat_map(|rule| &rule.all)
            .filter_map(|predicate| match predicate {
                Predicate::PathContains(text) => Some(text.trim_end_matches('/')),
                _ => None,
            });
    let once: String = literals.map(|literal| format!("{literal}!")).collect();
    once.repeat(58_000 / once.len().max(1))
}

fn sixty_kilobytes_of_headers(item: &mut TrafficItem) -> Vec<&'static str> {
    for index in 0..100 {
        let name = format!("x-filler-{index}");
        item.headers.push((name, "lorem ipsum ".repeat(40)));
    }
    let cookie = "c=1; ".repeat(2000) + "needle=found";
    item.headers.push(("cookie".to_owned(), cookie));
    vec!["cookie"]
}

fn many_values(item: &mut TrafficItem) -> Vec<&'static str> {
    for index in 0..3000 {
        item.headers
            .push(("x-device-id".to_owned(), format!("{index:016x}")));
    }
    vec![]
}

fn many_arguments(item: &mut TrafficItem) -> Vec<&'static str> {
    item.path = format!("/search?{}needle=found", "n=1&".repeat(10_000));
    vec!["argument"]
}

/// Each round of decoding takes one `25` off.
fn nested_escapes(item: &mut TrafficItem) -> Vec<&'static str> {
    let escape = "%25252541";
    item.path = format!("/{}?{}", escape.repeat(3000), escape.repeat(3000));
    vec![]
}

fn dots_and_slashes(item: &mut TrafficItem) -> Vec<&'static str> {
    item.path = format!("{}etc/passwd", "/a/./..//%2e%2e\\".repeat(3600));
    vec!["decoded-path"]
}

fn note(item: &mut TrafficItem, unit: &str, expect: &[&'static str]) -> Vec<&'static str> {
    let value = unit.repeat(50_000 / unit.len());
    item.headers.push(("x-note".to_owned(), value));
    expect.to_vec()
}

fn files(rules: &[Rule]) -> Vec<(String, String)> {
    let mut files = model::to_texts(rules);
    let special = SPECIAL.map(|(id, when)| {
        format!(
            "  - id: {id}\n    when: '{}'\n    then: deny\n",
            when.replace('\'', "''")
        )
    });
    let text = format!("rules:\n{}", special.concat());
    files.push(("special.rules.yaml".to_owned(), text));
    files
}
