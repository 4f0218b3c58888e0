//! Rules that each compare the same field of a JSON body with another value, and requests of which some have to wait for
//! their bodies.

use std::fmt::Write as _;

use super::{Case, REQUESTS, SEED, Stream, Suite};
use crate::model::{self, TrafficItem};
use crate::random::Random;

/// Lines of an order.
const ITEMS: usize = 12;

pub(super) fn suite(count: usize) -> Suite {
    let mut random = Random::new(SEED + 9);
    let mut stream = |name: &str, path: &str, is_hit: bool| {
        let items = model::traffic(SEED + 10, &[], REQUESTS, 0.0).into_iter();
        let cases = items.map(|item| {
            let hit = is_hit.then(|| random.below(count));
            case(item, path, hit, &mut random)
        });
        Stream {
            name: name.to_owned(),
            cases: cases.collect(),
            may_differ: 0,
        }
    };
    Suite {
        group: "bodies",
        rules: count,
        streams: vec![
            stream("ruled out by its head", "/assets/upload", false),
            stream("read, and one matches", "/api/orders", true),
            stream("read, and none matches", "/api/orders", false),
        ],
        files: files(count),
    }
}

/// An order of a dozen lines, about 800 bytes, with the blocked article of a rule in one of them.
fn case(item: TrafficItem, path: &str, hit: Option<usize>, random: &mut Random) -> Case {
    let place = random.below(ITEMS);
    let line = |at: usize| match hit {
        Some(rule) if at == place => article(rule),
        _ => format!("fine-{:08x}", random.below(1 << 30)),
    };
    let lines: Vec<String> = (0..ITEMS)
        .map(line)
        .map(|sku| format!(r#"{{"sku":"{sku}","quantity":2,"price":"19.90"}}"#))
        .collect();
    Case {
        item: TrafficItem {
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: format!(r#"{{"customer":"c-4711","items":[{}]}}"#, lines.join(",")),
            ..item
        },
        expect: hit.map(id).into_iter().collect(),
    }
}

fn article(rule: usize) -> String {
    format!("blocked-{rule:06}")
}

fn id(rule: usize) -> String {
    format!("article-{rule}")
}

/// No head lets in one of the rules and not the others.
fn files(count: usize) -> Vec<(String, String)> {
    let mut rules = "rules:\n".to_owned();
    for rule in 0..count {
        let (id, article) = (id(rule), article(rule));
        // Writing to a string does not fail.
        let _ = write!(
            rules,
            "  - id: {id}\n    when:\n      all:\n        - request.method == \"POST\"\n        - '!request.url_path.startsWith(\"/assets/\")'\n        - request.body.json[\"/items/*/sku\"] == \"{article}\"\n    then: deny\n"
        );
    }
    let manifest = format!("language: 1\nruleset: {}\n", model::RULESET_NAME);
    vec![
        ("ruleset.yaml".to_owned(), manifest),
        ("main.rules.yaml".to_owned(), rules),
    ]
}
