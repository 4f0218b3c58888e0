//! What is measured: rules, the requests they decide, and the answers that must come out.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::model::{self, RULESET_NAME, Shape, TrafficItem, matches};
use crate::random::Random;

const SEED: u64 = 2026;
const HIT_SHARE: f64 = 0.1;
const REQUESTS: usize = 1_000;
/// How long the large lists are.
const LIST_LEN: usize = 1_000_000;

/// A ruleset with its traffic.
pub(super) struct Scenario {
    pub(super) name: String,
    /// 0 where a list is what matters.
    pub(super) rules: usize,
    /// Names and texts of the ruleset's files.
    pub(super) files: Vec<(String, String)>,
    pub(super) cases: Vec<Case>,
}

/// A request, and the rules that match it.
pub(super) struct Case {
    pub(super) item: TrafficItem,
    pub(super) matched: Vec<String>,
}

impl Scenario {
    /// Generated rules; the plain evaluator says what matches.
    pub(super) fn rules(count: usize, shape: Shape) -> Scenario {
        let rules = model::rules(SEED, count, shape);
        let items = model::traffic(SEED + 1, &rules, REQUESTS, HIT_SHARE);
        let cases = items.into_iter().map(|item| {
            let matched = rules.iter().filter(|rule| matches(rule, &item));
            Case {
                matched: matched.map(|rule| rule.id.clone()).collect(),
                item,
            }
        });
        Scenario {
            name: shape.name().to_owned(),
            rules: count,
            cases: cases.collect(),
            files: model::to_texts(&rules),
        }
    }

    /// One rule with a list of a million IPv4 prefixes: half are /24, the others /28 and single addresses.
    pub(super) fn prefixes() -> Scenario {
        let mut random = Random::new(SEED);
        let mut networks = HashSet::with_capacity(LIST_LEN);
        while networks.len() < LIST_LEN {
            let length = *random.pick(&[24, 24, 28, 32]);
            networks.insert((network(random.next_u64() as u32, length), length));
        }
        let mut sorted: Vec<_> = networks.iter().copied().collect();
        sorted.sort_unstable();
        let mut text = String::new();
        for (base, length) in &sorted {
            let _ = writeln!(text, "{}/{length}", Ipv4Addr::from(*base));
        }
        let cases = ordinary().into_iter().enumerate().map(|(index, mut item)| {
            let wanted = if index % 2 == 0 {
                random.pick(&sorted).0
            } else {
                random.next_u64() as u32
            };
            item.source = Ipv4Addr::from(wanted);
            let listed = [24, 28, 32]
                .iter()
                .any(|length| networks.contains(&(network(wanted, *length), *length)));
            listed_case(item, listed)
        });
        Scenario::of_list("IPv4 prefixes", "cidr", "source.ip", cases.collect(), text)
    }

    /// One rule with a list of a million strings of 16 bytes.
    pub(super) fn strings() -> Scenario {
        let mut random = Random::new(SEED);
        let mut devices = HashSet::with_capacity(LIST_LEN);
        while devices.len() < LIST_LEN {
            devices.insert(format!("{:016x}", random.next_u64()));
        }
        let mut sorted: Vec<_> = devices.iter().cloned().collect();
        sorted.sort_unstable();
        let cases = ordinary().into_iter().enumerate().map(|(index, mut item)| {
            let header = item
                .headers
                .iter_mut()
                .find(|(name, _)| name == "x-device-id");
            let mut listed = false;
            if let Some((_, device)) = header {
                if index % 2 == 0 {
                    device.clone_from(random.pick(&sorted));
                }
                listed = devices.contains(device.as_str());
            }
            listed_case(item, listed)
        });
        let field = r#"request.headers["x-device-id"]"#;
        let cases = cases.collect();
        Scenario::of_list(
            "strings of 16 bytes",
            "string",
            field,
            cases,
            sorted.join("\n"),
        )
    }

    fn of_list(name: &str, kind: &str, field: &str, cases: Vec<Case>, text: String) -> Scenario {
        let manifest = format!(
            "language: 1\nruleset: {RULESET_NAME}\nlists:\n  listed: {{ type: {kind}, file: lists/listed.txt }}\n"
        );
        let rules =
            format!("rules:\n  - {{ id: listed, when: '{field} in lists.listed', then: deny }}\n");
        let files = [
            ("ruleset.yaml", manifest),
            ("a.rules.yaml", rules),
            ("lists/listed.txt", text),
        ];
        Scenario {
            name: name.to_owned(),
            rules: 0,
            files: files.map(|(name, text)| (name.to_owned(), text)).into(),
            cases,
        }
    }
}

fn ordinary() -> Vec<TrafficItem> {
    model::traffic(SEED + 1, &[], REQUESTS, 0.0)
}

fn listed_case(item: TrafficItem, listed: bool) -> Case {
    let matched = if listed {
        vec!["listed".to_owned()]
    } else {
        vec![]
    };
    Case { item, matched }
}

fn network(address: u32, length: u32) -> u32 {
    address & (u32::MAX << (32 - length))
}
