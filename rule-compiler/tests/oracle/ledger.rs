//! Counters, by a list of everything that was ever counted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use riskgate_compiler::ir::{Attribute, Counter, Ruleset};
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;

use super::attribute::{Value, values};
use super::{Facts, OracleVerdict, decide_by, holds};

/// Every event, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    events: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    counter: usize,
    key: Vec<Vec<u8>>,
    /// Of a counter with `distinct`.
    value: Option<Vec<u8>>,
    time_us: i64,
}

impl Ledger {
    /// Counts a request and decides it, and counts it by its response.
    pub(crate) fn decide(
        &mut self,
        ruleset: &Ruleset,
        request: &Request<'_>,
        response: Option<&Response<'_>>,
    ) -> OracleVerdict {
        let at_once = |counter: &Counter| !counter.waits_for_response();
        self.count(ruleset, at_once, request, None);
        let reads = (0..ruleset.counters.len())
            .map(|counter| self.read(ruleset, counter, request))
            .collect();
        let verdict = decide_by(ruleset, &Facts::counted(request, reads));
        if response.is_some() {
            self.count(ruleset, Counter::waits_for_response, request, response);
        }
        verdict
    }

    fn count(
        &mut self,
        ruleset: &Ruleset,
        is_due: impl Fn(&Counter) -> bool,
        request: &Request<'_>,
        response: Option<&Response<'_>>,
    ) {
        for (at, counter) in ruleset.counters.iter().enumerate() {
            let facts = Facts::answered(request, response);
            if !is_due(counter) || !holds(ruleset, &counter.count_when, &facts) {
                continue;
            }
            let distinct = counter.distinct.as_slice();
            for key in keys(&counter.key, request) {
                let mut note = |value| {
                    self.events.push(Event {
                        counter: at,
                        key: key.clone(),
                        value,
                        time_us: request.time_us,
                    });
                };
                match distinct {
                    [] => note(None),
                    _ => keys(distinct, request)
                        .into_iter()
                        .for_each(|value| note(Some(value.concat()))),
                }
            }
        }
    }

    /// The greatest value of the request's keys.
    fn read(&self, ruleset: &Ruleset, at: usize, request: &Request<'_>) -> i64 {
        let counter = &ruleset.counters[at];
        let slice = |time_us: i64| time_us.max(0) * 8 / (i64::from(counter.window_ms) * 1_000);
        let now = slice(request.time_us);
        let of_key = |key: Vec<Vec<u8>>| {
            let events = self.events.iter().filter(|event| {
                let within = now - 7..=now;
                event.counter == at && event.key == key && within.contains(&slice(event.time_us))
            });
            match counter.distinct {
                None => events.count(),
                Some(_) => {
                    let values: BTreeSet<_> = events.map(|event| &event.value).collect();
                    values.len()
                }
            }
        };
        let greatest = keys(&counter.key, request).into_iter().map(of_key).max();
        i64::try_from(greatest.unwrap_or(0)).expect("few events")
    }
}

/// The first sixteen combinations of different values, the last part's changing fastest.
fn keys(parts: &[Attribute], request: &Request<'_>) -> Vec<Vec<Vec<u8>>> {
    let mut keys: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    for part in parts {
        let mut different: Vec<Vec<u8>> = Vec::new();
        for value in values(part, request).into_iter().map(bytes) {
            if !different.contains(&value) {
                different.push(value);
            }
        }
        let longer = keys.iter().flat_map(|key| {
            let value = different.iter();
            value.map(|value| [key.as_slice(), std::slice::from_ref(value)].concat())
        });
        keys = longer.collect();
    }
    keys.truncate(16);
    keys
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes,
        Value::Ip(IpAddr::V4(address)) => address.octets().to_vec(),
        Value::Ip(IpAddr::V6(address)) => address.octets().to_vec(),
        other => panic!("the type checker lets no {other:?} be part of a key"),
    }
}
