//! The generated traffic as it goes over the wire, with the answer that each request must get.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::model::{self, Rule, TrafficItem, matches};

/// How many addresses the requests come from whose own address no rule asks for.
const SHARED_SOURCES: usize = 16;

/// Rules and traffic of one size.
pub(super) struct Workload {
    pub(super) rules: Vec<Rule>,
    pub(super) requests: Vec<WireRequest>,
    /// Each has a connection.
    pub(super) sources: Vec<Ipv4Addr>,
}

/// A request.
pub(super) struct WireRequest {
    /// As it is sent.
    pub(super) bytes: Vec<u8>,
    /// Index of its address in [`Workload::sources`].
    pub(super) source: usize,
    /// Whether some rule matches it.
    pub(super) denied: bool,
}

impl Workload {
    /// Generates both. The plain evaluator says what every contender must answer.
    pub(super) fn generate(
        seed: u64,
        rule_count: usize,
        shape: model::Shape,
        request_count: usize,
        hit_share: f64,
    ) -> Workload {
        let rules = model::rules(seed, rule_count, shape);
        let items = model::traffic(seed + 1, &rules, request_count, hit_share);
        let mut connections = Connections::default();
        let requests = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let shared = with_source(item, shared_source(index));
                let matching = matching(&rules, item);
                // Few connections carry most requests, as a proxy behind a balancer sees it.
                let sent = match matching == self::matching(&rules, &shared) {
                    true => &shared,
                    false => item,
                };
                WireRequest {
                    bytes: to_bytes(sent),
                    source: connections.index_of(sent.source),
                    denied: !matching.is_empty(),
                }
            })
            .collect();
        Workload {
            rules,
            requests,
            sources: connections.sources,
        }
    }

    /// How many of the requests some rule matches.
    pub(super) fn denied(&self) -> usize {
        self.requests
            .iter()
            .filter(|request| request.denied)
            .count()
    }
}

#[derive(Default)]
struct Connections {
    sources: Vec<Ipv4Addr>,
    indexes: HashMap<Ipv4Addr, usize>,
}

impl Connections {
    fn index_of(&mut self, source: Ipv4Addr) -> usize {
        *self.indexes.entry(source).or_insert_with(|| {
            self.sources.push(source);
            self.sources.len() - 1
        })
    }
}

fn matching(rules: &[Rule], item: &TrafficItem) -> Vec<usize> {
    let matching = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| matches(rule, item));
    matching.map(|(index, _)| index).collect()
}

fn with_source(item: &TrafficItem, source: Ipv4Addr) -> TrafficItem {
    TrafficItem {
        source,
        ..item.clone()
    }
}

/// Like the generator's ordinary addresses, in the upper half of a network.
fn shared_source(index: usize) -> Ipv4Addr {
    let number = u8::try_from(index % SHARED_SOURCES).unwrap_or_default();
    Ipv4Addr::new(127, 100 + number, 7 * number, 200 + number)
}

fn to_bytes(item: &TrafficItem) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: shop.example.com\r\n",
        item.method, item.path
    );
    for (name, value) in &item.headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}
