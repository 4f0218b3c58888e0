//! What rules cost, as JSON.

use serde::Serialize;

use crate::cost::{
    Report,
    limits::{BODY_LEN, HEAD_LEN, HEADER_COUNT, IDENTITY_LEN},
};

/// In steps of about a nanosecond.
#[derive(Debug, Serialize)]
pub(super) struct CostReport<'a> {
    limits: Limits,
    typical: u64,
    worst: u64,
    indexes: IndexReport,
    counters: Vec<CounterReport<'a>>,
    rules: Vec<RuleReport<'a>>,
}

/// The requests that the worst case holds for.
#[derive(Debug, Serialize)]
struct Limits {
    head_bytes: u64,
    headers: u64,
    identity_bytes: u64,
    body_bytes: u64,
}

/// What is paid once for all rules together.
#[derive(Debug, Serialize)]
struct IndexReport {
    typical: u64,
    worst: u64,
}

#[derive(Debug, Serialize)]
struct CounterReport<'a> {
    name: &'a str,
    typical: u64,
    worst: u64,
}

#[derive(Debug, Serialize)]
struct RuleReport<'a> {
    id: &'a str,
    access: &'a str,
    typical: u64,
    worst: u64,
}

impl<'a> CostReport<'a> {
    pub(super) fn new(report: &'a Report) -> CostReport<'a> {
        let rules = report.rules.iter().map(|rule| RuleReport {
            id: &rule.id,
            access: &rule.access,
            typical: rule.typical,
            worst: rule.worst,
        });
        let counters = report.counters.iter().map(|counter| CounterReport {
            name: &counter.name,
            typical: counter.cost.typical,
            worst: counter.cost.worst,
        });
        CostReport {
            limits: Limits {
                head_bytes: HEAD_LEN,
                headers: HEADER_COUNT,
                identity_bytes: IDENTITY_LEN,
                body_bytes: BODY_LEN,
            },
            typical: report.typical,
            worst: report.worst,
            indexes: IndexReport {
                typical: report.indexes.typical,
                worst: report.indexes.worst,
            },
            counters: counters.collect(),
            rules: rules.collect(),
        }
    }
}
