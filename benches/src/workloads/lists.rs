//! One rule over one long list.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{Case, REQUESTS, SEED, Stream, Suite};
use crate::model::{self, TrafficItem};
use crate::random::Random;

const RULE: &str = "listed";

/// Device ids: sixteen bytes each.
pub(super) fn strings(count: usize) -> Suite {
    let mut random = Random::new(SEED);
    let values: Vec<String> = (0..count)
        .map(|_| format!("{:016x}", random.next_u64()))
        .collect();
    let with_device = |mut item: TrafficItem, device: String| {
        let mut headers = item.headers.iter_mut();
        if let Some((_, value)) = headers.find(|(name, _)| name == "x-device-id") {
            *value = device;
        }
        item
    };
    let hits = ordinary().into_iter().map(|item| {
        let device = random.pick(&values).clone();
        with_device(item, device)
    });
    Suite {
        group: "strings list",
        rules: 1,
        streams: vec![stream("hit", hits, true), stream("miss", ordinary(), false)],
        files: files(
            "string",
            "request.headers[\"x-device-id\"] in lists.listed",
            &values,
        ),
    }
}

/// The same, `approximate`: about one in 65,536 values that are not listed counts as listed.
pub(super) fn approximate(count: usize) -> Suite {
    let mut suite = strings(count);
    suite.group = "approximate list";
    for (_, text) in &mut suite.files {
        *text = text.replace("type: string,", "type: string, approximate: true,");
    }
    for stream in &mut suite.streams {
        stream.may_differ = 1;
    }
    suite
}

/// IPv4 prefixes of /20 to /32, overlapping at times. The second octet is even in all of them.
pub(super) fn networks(count: usize) -> Suite {
    let mut random = Random::new(SEED);
    let mut prefixes: Vec<(Ipv4Addr, u32)> = (0..count).map(|_| prefix(&mut random)).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let values: Vec<String> = prefixes
        .iter()
        .map(|(base, length)| format!("{base}/{length}"))
        .collect();
    let hits = ordinary().into_iter().map(|mut item| {
        let (base, length) = *random.pick(&prefixes);
        let host = random.below(1 << (32 - length));
        item.source = Ipv4Addr::from(u32::from(base) | u32::try_from(host).unwrap_or_default());
        item
    });
    let hits: Vec<TrafficItem> = hits.collect();
    let misses = ordinary().into_iter().map(|mut item| {
        item.source = Ipv4Addr::from(random.next_u64() as u32 | 0x0001_0000);
        item
    });
    Suite {
        group: "networks list",
        rules: 1,
        streams: vec![stream("hit", hits, true), stream("miss", misses, false)],
        files: files("cidr", "source.ip in lists.listed", &values),
    }
}

fn prefix(random: &mut Random) -> (Ipv4Addr, u32) {
    let length = *random.pick(&[20, 22, 23, 24, 24, 24, 24, 26, 28, 30, 32, 32, 32, 32]);
    let mask = u32::MAX << (32 - length);
    let address = random.next_u64() as u32 & mask & !0x0001_0000;
    (Ipv4Addr::from(address), length)
}

fn ordinary() -> Vec<TrafficItem> {
    model::traffic(SEED + 3, &[], REQUESTS, 0.0)
}

fn stream(name: &str, items: impl IntoIterator<Item = TrafficItem>, hit: bool) -> Stream {
    let expect: Vec<String> = hit.then(|| RULE.to_owned()).into_iter().collect();
    let case = |item| Case {
        item,
        expect: expect.clone(),
    };
    Stream {
        name: name.to_owned(),
        cases: items.into_iter().map(case).collect(),
        may_differ: 0,
    }
}

fn files(kind: &str, when: &str, values: &[String]) -> Vec<(String, String)> {
    let manifest = format!(
        "language: 1\nruleset: {}\nlists:\n  listed: {{ type: {kind}, file: lists/listed.txt }}\n",
        model::RULESET_NAME
    );
    let rules = format!("rules:\n  - id: {RULE}\n    when: '{when}'\n    then: deny\n");
    let mut list = String::new();
    for value in values {
        // Writing to a string does not fail.
        let _ = writeln!(list, "{value}");
    }
    vec![
        ("ruleset.yaml".to_owned(), manifest),
        ("main.rules.yaml".to_owned(), rules),
        ("lists/listed.txt".to_owned(), list),
    ]
}
