//! The plain evaluator that every answer is held against.

use std::net::Ipv4Addr;

use super::{Predicate, Rule, TrafficItem};

/// Whether every predicate of a rule holds.
#[must_use]
pub fn matches(rule: &Rule, item: &TrafficItem) -> bool {
    rule.all.iter().all(|predicate| holds(predicate, item))
}

fn holds(predicate: &Predicate, item: &TrafficItem) -> bool {
    let header = |name: &str, test: &dyn Fn(&str) -> bool| item.header(name).is_some_and(test);
    match predicate {
        Predicate::MethodIs(method) => item.method == *method,
        Predicate::PathIs(path) => item.url_path() == path,
        Predicate::PathStartsWith(start) => item.url_path().starts_with(start.as_str()),
        Predicate::PathEndsWith(end) => item.url_path().ends_with(end.as_str()),
        Predicate::PathContains(text) => item.url_path().contains(text.as_str()),
        Predicate::HeaderIs { name, value } => header(name, &|got| got == value),
        Predicate::HeaderStartsWith { name, value } => {
            header(name, &|got| got.starts_with(value.as_str()))
        }
        Predicate::HeaderContains { name, value } => {
            header(name, &|got| got.contains(value.as_str()))
        }
        Predicate::HeaderIsNot { name, value } => !header(name, &|got| got == value),
        Predicate::SourceIn(networks) => networks
            .iter()
            .any(|network| contains(network, item.source)),
    }
}

/// Whether a prefix such as `127.8.3.64/26` contains an address.
///
/// # Panics
///
/// If it is not a prefix: generated ones always are.
fn contains(network: &str, address: Ipv4Addr) -> bool {
    let (base, length) = network.split_once('/').expect("a prefix has a length");
    let base: Ipv4Addr = base.parse().expect("a prefix begins with an address");
    let length: u32 = length.parse().expect("a prefix ends with its length");
    let host_bits = 32 - length;
    u32::from(base).checked_shr(host_bits) == u32::from(address).checked_shr(host_bits)
}
