//! Rules that are mostly regular expressions, as rules against web attacks are.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

use super::{Case, REQUESTS, SEED, Stream, Suite};
use crate::model::{self, TrafficItem, rare_word};
use crate::random::Random;

/// A pattern, a text that it matches, and one that has its literals but does not match.
struct Pattern {
    source: String,
    matching: String,
    near: String,
}

/// Patterns on the query, a fifth each: an injection between key words, a call with an argument, a client with its version,
/// a whole value, and one without any required literal.
pub(super) fn suite(count: usize) -> Suite {
    let mut random = Random::new(SEED);
    let patterns: Vec<Pattern> = (0..count)
        .map(|index| pattern(index, &mut random))
        .collect();
    let regexes: Vec<Regex> = patterns.iter().map(|each| compiled(&each.source)).collect();
    let mut stream = |name: &str, query: &dyn Fn(&Pattern) -> Option<String>| {
        let items = model::traffic(SEED + 4, &[], REQUESTS, 0.0).into_iter();
        let cases = items.map(|mut item| {
            if let Some(text) = query(random.pick(&patterns)) {
                item.path.push_str("&q=");
                item.path.push_str(&text);
            }
            case(item, &regexes)
        });
        Stream {
            name: name.to_owned(),
            cases: cases.collect(),
            may_differ: 0,
        }
    };
    Suite {
        group: "regexes",
        rules: count,
        streams: vec![
            stream("hit", &|pattern| Some(pattern.matching.clone())),
            stream("near miss", &|pattern| Some(pattern.near.clone())),
            stream("miss", &|_| None),
        ],
        files: files(&patterns),
    }
}

fn pattern(index: usize, random: &mut Random) -> Pattern {
    let (one, two) = (rare_word(random), rare_word(random));
    let (source, matching, near) = match index % 5 {
        0 => (
            format!(r"\b{one}\b[^;]*\b{two}\b"),
            format!("x-{one}-all-{two}-1"),
            format!("x-{one}-all-{two}s-1"),
        ),
        1 => (
            format!(r"(?i)\b{one}\s*\(\s*[0-9]+"),
            format!("{one}(17)"),
            format!("{one}(a17)"),
        ),
        2 => (
            format!(r"({one}|{two})[._-]?(bot|scan|crawl)/[0-9]+[.][0-9]+"),
            format!("{two}-scan/3.1"),
            format!("{two}-scan/3-1"),
        ),
        3 => (
            format!(r"[?&]q={one}(%20|[+])[a-z]+$"),
            format!("{one}+{two}"),
            format!("{one}+{two}7"),
        ),
        _ => {
            let (low, high) = (20 + index, 21 + index);
            (
                format!(r"[0-9]z[a-f]{{2}}({low}|{high})[g-k]{{3}}=$"),
                format!("7zab{low}ghk="),
                format!("7zab{low}ghz="),
            )
        }
    };
    Pattern {
        source,
        matching,
        near,
    }
}

/// As the rule language compiles a pattern.
fn compiled(source: &str) -> Regex {
    RegexBuilder::new(source)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .expect("the pattern is a regex")
}

fn case(item: TrafficItem, regexes: &[Regex]) -> Case {
    let path = item.path.as_bytes();
    let matching = regexes
        .iter()
        .enumerate()
        .filter(|(_, each)| each.is_match(path));
    let expect = matching.map(|(index, _)| id(index)).collect();
    Case { item, expect }
}

fn id(index: usize) -> String {
    format!("x{index:04}")
}

fn files(patterns: &[Pattern]) -> Vec<(String, String)> {
    let mut rules = "rules:\n".to_owned();
    for (index, Pattern { source, .. }) in patterns.iter().enumerate() {
        let quoted = source.replace('\\', "\\\\");
        // Writing to a string does not fail.
        let _ = write!(
            rules,
            "  - id: {}\n    when: 'request.path.matches(\"{quoted}\")'\n    then: deny\n",
            id(index)
        );
    }
    let manifest = format!("language: 1\nruleset: {}\n", model::RULESET_NAME);
    vec![
        ("ruleset.yaml".to_owned(), manifest),
        ("main.rules.yaml".to_owned(), rules),
    ]
}
