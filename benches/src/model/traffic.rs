//! Requests from a seed.

use std::net::Ipv4Addr;

use super::vocabulary::{
    self as words, BROWSERS, CHANNELS, FIRST_WIDE, HOT, LANGUAGES, ORDINARY_PATHS, PLATFORMS,
};
use super::{Predicate, Rule, TrafficItem};
use crate::random::Random;

/// `count` requests. Of them `hit_share`, rounded, satisfy a rule of `rules` each, drawn at random; the others satisfy
/// none. They come in random order.
#[must_use]
pub fn traffic(seed: u64, rules: &[Rule], count: usize, hit_share: f64) -> Vec<TrafficItem> {
    let mut random = Random::new(seed);
    let hits = if rules.is_empty() {
        0
    } else {
        (count as f64 * hit_share.clamp(0.0, 1.0)).round() as usize
    };
    let item = |index| {
        let mut item = ordinary(&mut random, rules);
        if index < hits {
            let rule = random.pick(rules).clone();
            satisfy(&rule, &mut item, &mut random);
        }
        item
    };
    let mut items: Vec<TrafficItem> = (0..count).map(item).collect();
    random.shuffle(&mut items);
    items
}

/// A request that satisfies no rule.
fn ordinary(random: &mut Random, rules: &[Rule]) -> TrafficItem {
    let method = if random.percent(80) { "GET" } else { "POST" };
    let mut item = TrafficItem {
        method: method.to_owned(),
        path: String::new(),
        headers: headers(random),
        source: Ipv4Addr::new(
            127,
            random.octet(0, FIRST_WIDE),
            random.octet(0, 255),
            random.octet(128, 255),
        ),
        body: String::new(),
    };
    let path = match hot_path(random, rules) {
        Some(path) => path,
        None => format!(
            "{}{:05}{:05}",
            random.pick(&ORDINARY_PATHS),
            random.below(100_000),
            random.below(100_000)
        ),
    };
    item.path = format!("{path}?{}", query(random));
    item
}

/// Where the rules are about hot paths, half of the ordinary requests go to one.
fn hot_path(random: &mut Random, rules: &[Rule]) -> Option<String> {
    let hot = words::hot_path(random.below(HOT));
    let first = rules.iter().take(64).flat_map(|rule| &rule.all);
    let about_hot_paths = first.into_iter().any(
        |predicate| matches!(predicate, Predicate::PathIs(path) if path.starts_with("/api/store-")),
    );
    (about_hot_paths && random.percent(50)).then_some(hot)
}

/// About 150 bytes.
fn query(random: &mut Random) -> String {
    format!(
        "page={}&sort=price_asc&ref=home_{:08x}&utm_source=newsletter&utm_campaign=autumn-sale-{}&session={:016x}{:016x}&t={}",
        1 + random.below(40),
        random.next_u64() as u32,
        random.below(1000),
        random.next_u64(),
        random.next_u64(),
        1_795_000_000 + random.below(86_400),
    )
}

fn headers(random: &mut Random) -> Vec<(String, String)> {
    let version = (100 + random.below(40)).to_string();
    let user_agent = random.pick(&BROWSERS).replace('#', &version);
    let accept = *random.pick(&[
        "application/json, text/plain, */*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ]);
    let cookie = format!(
        "session={:016x}{:016x}; consent=1; ab_bucket={}; basket={:012x}; _ga=GA1.2.{}.{}",
        random.next_u64(),
        random.next_u64(),
        random.below(64),
        random.next_u64() >> 16,
        random.below(1_000_000_000),
        1_790_000_000 + random.below(5_000_000),
    );
    let referer = format!(
        "https://shop.example.com{}{:05}",
        random.pick(&ORDINARY_PATHS),
        random.below(100_000)
    );
    let pairs = [
        ("user-agent", user_agent),
        ("accept", accept.to_owned()),
        ("accept-language", (*random.pick(&LANGUAGES)).to_owned()),
        ("accept-encoding", "gzip, deflate, br, zstd".to_owned()),
        ("cookie", cookie),
        ("referer", referer),
        ("x-device-id", words::device(random)),
        (
            "x-app-build",
            format!("{}", 10_000_000 + random.below(90_000_000)),
        ),
        ("x-channel", (*random.pick(&CHANNELS)).to_owned()),
        ("sec-ch-ua-platform", (*random.pick(&PLATFORMS)).to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
        ("sec-fetch-mode", "cors".to_owned()),
        ("sec-fetch-dest", "empty".to_owned()),
        ("cache-control", "no-cache".to_owned()),
    ];
    pairs
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// Changes a request so that a rule holds: each predicate of a rule has a field of its own.
fn satisfy(rule: &Rule, item: &mut TrafficItem, random: &mut Random) {
    for predicate in &rule.all {
        match predicate {
            Predicate::MethodIs(method) => item.method.clone_from(method),
            Predicate::PathIs(path) => set_path(item, path),
            Predicate::PathStartsWith(start) => {
                set_path(item, &format!("{start}{:05}", random.below(100_000)));
            }
            Predicate::PathEndsWith(end) => {
                set_path(
                    item,
                    &format!("{}{:05}{end}", ORDINARY_PATHS[0], random.below(100_000)),
                );
            }
            Predicate::PathContains(text) => {
                let path = format!(
                    "/assets/{:04}{text}{:04}",
                    random.below(10_000),
                    random.below(10_000)
                );
                set_path(item, &path);
            }
            Predicate::HeaderIs { name, value } => set_header(item, name, value.clone()),
            Predicate::HeaderStartsWith { name, value } => {
                set_header(item, name, format!("{value}2.1 (+https://example.net)"));
            }
            Predicate::HeaderContains { name, value } => {
                set_header(
                    item,
                    name,
                    format!("Mozilla/5.0 (compatible; {value}1.0; text)"),
                );
            }
            Predicate::HeaderIsNot { name, value } => {
                if item.header(name) == Some(value) {
                    set_header(item, name, "other".to_owned());
                }
            }
            Predicate::SourceIn(networks) => {
                item.source = address_in(random.pick::<String>(networks), random);
            }
        }
    }
}

fn set_path(item: &mut TrafficItem, path: &str) {
    let query = item.path.split_once('?').map_or("", |(_, query)| query);
    item.path = format!("{path}?{query}");
}

fn set_header(item: &mut TrafficItem, name: &str, value: String) {
    match item.headers.iter_mut().find(|(each, _)| each == name) {
        Some((_, old)) => *old = value,
        None => item.headers.push((name.to_owned(), value)),
    }
}

/// Some address of a prefix.
///
/// # Panics
///
/// If it is not a prefix: generated ones always are.
fn address_in(network: &str, random: &mut Random) -> Ipv4Addr {
    let (base, length) = network.split_once('/').expect("a prefix has a length");
    let base: Ipv4Addr = base.parse().expect("a prefix begins with an address");
    let length: u32 = length.parse().expect("a prefix ends with its length");
    let host = random.below(1 << (32 - length));
    Ipv4Addr::from(u32::from(base) + u32::try_from(host).unwrap_or_default())
}
