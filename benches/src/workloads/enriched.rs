//! Selective rules with what only riskgate has: numbers, query arguments, cookies, transforms, scores, tags and shadows.

use super::{Case, REQUESTS, SEED, Stream, Suite};
use crate::model::{self, Rule, Shape, TrafficItem};
use crate::random::Random;

/// A test beside the portable ones.
enum Extra {
    PageOver(u32),
    BucketIs(u32),
    CampaignIs(String),
    DecodedPathLacks(&'static str),
    AgentLongerThan(usize),
}

struct Enriched {
    rule: Rule,
    extra: Extra,
    then: &'static str,
}

pub(super) fn suite(count: usize) -> Suite {
    let mut random = Random::new(SEED);
    let base = model::rules(SEED, count, Shape::Selective);
    let items = model::traffic(SEED + 5, &base, REQUESTS, 1.0);
    let rules: Vec<Enriched> = base
        .into_iter()
        .map(|rule| enrich(rule, &mut random))
        .collect();
    let cases: Vec<Case> = items.into_iter().map(|item| case(item, &rules)).collect();
    let (hits, halves) = cases.into_iter().partition(|case| !case.expect.is_empty());
    let stream = |name: &str, cases| Stream {
        name: name.to_owned(),
        cases,
        may_differ: 0,
    };
    Suite {
        group: "enriched",
        rules: count,
        streams: vec![stream("hit", hits), stream("half hit", halves)],
        files: files(&rules),
    }
}

fn enrich(rule: Rule, random: &mut Random) -> Enriched {
    let number =
        |random: &mut Random, bound| u32::try_from(random.below(bound)).unwrap_or_default();
    let extra = match random.below(5) {
        0 => Extra::PageOver(number(random, 40)),
        1 => Extra::BucketIs(number(random, 64)),
        2 => Extra::CampaignIs(format!("autumn-sale-{}", random.below(1000))),
        3 => Extra::DecodedPathLacks(random.pick::<&str>(&["/checkout/", "/cgi-bin/", "/assets/"])),
        _ => Extra::AgentLongerThan(90 + random.below(40)),
    };
    let then = *random.pick(&[
        "    then: deny\n",
        "    then: { score: 20 }\n",
        "    then: { score: 5, tag: { reason: generated } }\n",
        "    then: { challenge: { status: 401 } }\n",
        "    stage: shadow\n    then: deny\n",
    ]);
    Enriched { rule, extra, then }
}

fn case(item: TrafficItem, rules: &[Enriched]) -> Case {
    let matching = rules
        .iter()
        .filter(|each| model::matches(&each.rule, &item) && holds(&each.extra, &item));
    let expect = matching.map(|each| each.rule.id.clone()).collect();
    Case { item, expect }
}

/// Generated paths and cookies have neither escapes nor capitals, so that no transform changes them.
fn holds(extra: &Extra, item: &TrafficItem) -> bool {
    match extra {
        Extra::PageOver(low) => argument(item, "page")
            .and_then(|text| text.parse::<u32>().ok())
            .is_some_and(|page| page > *low),
        Extra::BucketIs(bucket) => {
            cookie(item, "ab_bucket").is_some_and(|text| text == bucket.to_string())
        }
        Extra::CampaignIs(name) => argument(item, "utm_campaign") == Some(name),
        Extra::DecodedPathLacks(text) => !item.url_path().contains(text),
        Extra::AgentLongerThan(length) => item
            .header("user-agent")
            .is_some_and(|agent| agent.len() > *length),
    }
}

fn argument<'a>(item: &'a TrafficItem, name: &str) -> Option<&'a str> {
    let (_, query) = item.path.split_once('?')?;
    value(query.split('&'), name)
}

fn cookie<'a>(item: &'a TrafficItem, name: &str) -> Option<&'a str> {
    value(item.header("cookie")?.split("; "), name)
}

fn value<'a>(mut pairs: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    pairs.find_map(|pair| {
        let (each, value) = pair.split_once('=')?;
        (each == name).then_some(value)
    })
}

fn expression(extra: &Extra) -> String {
    match extra {
        Extra::PageOver(low) => format!("int(request.params[\"page\"]) > {low}"),
        Extra::BucketIs(bucket) => format!("request.cookies[\"ab_bucket\"] == \"{bucket}\""),
        Extra::CampaignIs(name) => format!("request.params[\"utm_campaign\"] == \"{name}\""),
        Extra::DecodedPathLacks(text) => {
            format!("!request.url_path.urlDecodeAll().lowerAscii().contains(\"{text}\")")
        }
        Extra::AgentLongerThan(length) => format!("request.useragent.length() > {length}"),
    }
}

fn files(rules: &[Enriched]) -> Vec<(String, String)> {
    let mut text = "rules:\n".to_owned();
    for Enriched { rule, extra, then } in rules {
        text.push_str(&model::head_of(rule));
        text.push_str(&format!("        - '{}'\n{then}", expression(extra)));
    }
    let manifest = format!(
        "language: 1\nruleset: {}\nscore_bands:\n  - {{ at_least: 40, then: deny }}\n",
        model::RULESET_NAME
    );
    vec![
        ("ruleset.yaml".to_owned(), manifest),
        ("main.rules.yaml".to_owned(), text),
    ]
}
