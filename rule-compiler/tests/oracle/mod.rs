//! The plain evaluator of a ruleset: what the rule language means, said as directly as can be.
//!
//! It walks conditions, scans lists and runs the `regex` crate, and shares no code with the engine, so that a mistake
//! has to be made twice to go unseen. Slow on purpose wherever slow is plainer.

mod attribute;
mod body;
pub(crate) mod builder;
pub(crate) mod check;
mod condition;
pub(crate) mod coverage;
pub(crate) mod exactly;
mod facts;
pub(crate) mod generate;
mod ledger;
mod number;
mod pattern;
mod reply;
mod transform;

use std::collections::BTreeMap;
use std::net::IpAddr;

use riskgate_compiler::ir::{Outcome, Rule, Ruleset, Stage, Terminal};
use riskgate_engine::request::Request;

pub(crate) use attribute::{Value, url_path, values};
pub(crate) use body::is_json;
pub(crate) use condition::{atom_holds, holds};
pub(crate) use facts::Facts;
pub(crate) use ledger::Ledger;
pub(crate) use reply::OracleReply;
pub(crate) use transform::transform;

/// All that a verdict says, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OracleVerdict {
    pub(crate) action: String,
    pub(crate) status: Option<u16>,
    pub(crate) rule: Option<String>,
    pub(crate) band: Option<i64>,
    pub(crate) score: i64,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) matched: Vec<String>,
    pub(crate) shadowed: Vec<String>,
    pub(crate) would: String,
    pub(crate) reply: Option<OracleReply>,
}

/// Who had the last word.
struct Decision<'a> {
    terminal: &'a Terminal,
    rule: Option<&'a Rule>,
    band: Option<i64>,
}

/// Decides a request as the rule language says.
pub(crate) fn decide(ruleset: &Ruleset, request: &Request<'_>) -> OracleVerdict {
    decide_by(ruleset, &Facts::new(request))
}

fn decide_by<'a>(ruleset: &'a Ruleset, facts: &Facts<'a>) -> OracleVerdict {
    let request = facts.request;
    let matches: Vec<&Rule> = ruleset
        .rules
        .iter()
        .filter(|rule| is_active(rule, request.time_us) && holds(ruleset, &rule.when, facts))
        .collect();
    let (enforced, shadowed): (Vec<&Rule>, Vec<&Rule>) =
        matches.iter().partition(|rule| is_enforced(rule, request));
    let decision = decision(ruleset, &enforced);
    let reply = reply::reply(
        decision.terminal,
        decision.rule.map(|rule| rule.id.as_str()),
        request,
    );
    OracleVerdict {
        action: action(decision.terminal),
        status: reply.as_ref().map(|reply| reply.status),
        rule: decision.rule.map(|rule| rule.id.clone()),
        band: decision.band,
        score: score(&enforced),
        tags: tags(&enforced),
        matched: ids(&enforced),
        shadowed: ids(&shadowed),
        would: action(self::decision(ruleset, &matches).terminal),
        reply,
    }
}

fn is_active(rule: &Rule, time_us: i64) -> bool {
    let begun = rule.active.from_us.is_none_or(|from_us| from_us <= time_us);
    let ended = rule
        .active
        .until_us
        .is_some_and(|until_us| until_us <= time_us);
    begun && !ended
}

/// Whether a match counts. Of a key with several values the first one draws.
fn is_enforced(rule: &Rule, request: &Request<'_>) -> bool {
    let canary = match &rule.stage {
        Stage::Enforce => return true,
        Stage::Shadow => return false,
        Stage::Canary(canary) => canary,
    };
    let mut hashed = [rule.id.as_bytes(), b"\0"].concat();
    for key in &canary.by {
        let value = match values(key, request).into_iter().next() {
            None => return false,
            Some(Value::Bytes(value)) => value,
            Some(Value::Ip(IpAddr::V4(address))) => address.octets().to_vec(),
            Some(Value::Ip(IpAddr::V6(address))) => address.octets().to_vec(),
            Some(other) => panic!("the type checker lets no {other:?} be a key"),
        };
        let length = u32::try_from(value.len()).expect("nothing is that long");
        hashed.extend(length.to_le_bytes());
        hashed.extend(value);
    }
    let hash = blake3::hash(&hashed);
    let first: [u8; 8] = hash.as_bytes()[..8].try_into().expect("eight bytes");
    u64::from_le_bytes(first) % 10_000 < u64::from(canary.share)
}

fn decision<'a>(ruleset: &'a Ruleset, rules: &[&'a Rule]) -> Decision<'a> {
    for rule in in_order(rules) {
        if let Outcome {
            terminal: Some(terminal),
            ..
        } = &rule.then
        {
            return Decision {
                terminal,
                rule: Some(rule),
                band: None,
            };
        }
    }
    let score = score(rules);
    let reached = ruleset
        .bands
        .iter()
        .filter(|band| score >= band.at_least)
        .max_by_key(|band| band.at_least);
    match reached {
        Some(band) => Decision {
            terminal: &band.then,
            rule: None,
            band: Some(band.at_least),
        },
        None => Decision {
            terminal: &ruleset.default,
            rule: None,
            band: None,
        },
    }
}

/// By priority, high first; rules of one priority stay in source order because the sort is stable.
fn in_order<'a>(rules: &[&'a Rule]) -> Vec<&'a Rule> {
    let mut ordered = rules.to_vec();
    ordered.sort_by_key(|rule| -i64::from(rule.priority));
    ordered
}

fn score(rules: &[&Rule]) -> i64 {
    rules
        .iter()
        .filter_map(|rule| rule.then.score)
        .map(i64::from)
        .sum()
}

fn tags(rules: &[&Rule]) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (name, value) in in_order(rules).iter().flat_map(|rule| &rule.then.tags) {
        tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
    tags
}

fn ids(rules: &[&Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule.id.clone()).collect()
}

fn action(terminal: &Terminal) -> String {
    match terminal {
        Terminal::Allow => "allow",
        Terminal::Deny(_) => "deny",
        Terminal::Challenge(_) | Terminal::Redirect(_) => "challenge",
    }
    .to_owned()
}
