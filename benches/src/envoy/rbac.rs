//! The rules as policies of Envoy's RBAC filter: one policy denies what one rule matches.

use serde_json::{Value, json};

use crate::model::{Predicate, Rule};

/// The filter with all rules.
pub(super) fn filter(rules: &[Rule]) -> Value {
    let policies: serde_json::Map<String, Value> = rules
        .iter()
        .map(|rule| (rule.id.clone(), policy(rule)))
        .collect();
    json!({
        "name": "rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "DENY", "policies": policies },
        },
    })
}

/// Addresses are principals, everything else is a permission; a policy applies when one of each holds.
fn policy(rule: &Rule) -> Value {
    let permissions: Vec<Value> = rule.all.iter().filter_map(permission).collect();
    let principals: Vec<Value> = rule.all.iter().filter_map(principal).collect();
    json!({
        "permissions": [all(permissions, "and_rules", "rules")],
        "principals": [all(principals, "and_ids", "ids")],
    })
}

fn all(mut parts: Vec<Value>, and: &str, list: &str) -> Value {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => json!({ "any": true }),
        (Some(only), true) => only,
        (Some(last), false) => {
            parts.push(last);
            json!({ and: { list: parts } })
        }
    }
}

fn permission(predicate: &Predicate) -> Option<Value> {
    Some(match predicate {
        Predicate::MethodIs(method) => header(":method", "exact", method),
        Predicate::PathIs(path) => url_path("exact", path),
        Predicate::PathStartsWith(prefix) => url_path("prefix", prefix),
        Predicate::PathEndsWith(suffix) => url_path("suffix", suffix),
        Predicate::PathContains(part) => url_path("contains", part),
        Predicate::HeaderIs { name, value } => header(name, "exact", value),
        Predicate::HeaderStartsWith { name, value } => header(name, "prefix", value),
        Predicate::HeaderContains { name, value } => header(name, "contains", value),
        // `invert_match` would not match an absent header.
        Predicate::HeaderIsNot { name, value } => {
            json!({ "not_rule": header(name, "exact", value) })
        }
        Predicate::SourceIn(_) => return None,
    })
}

fn principal(predicate: &Predicate) -> Option<Value> {
    let Predicate::SourceIn(prefixes) = predicate else {
        return None;
    };
    let any: Vec<Value> = prefixes.iter().map(|prefix| remote_ip(prefix)).collect();
    Some(json!({ "or_ids": { "ids": any } }))
}

fn header(name: &str, how: &str, value: &str) -> Value {
    json!({ "header": { "name": name, "string_match": { how: value } } })
}

fn url_path(how: &str, value: &str) -> Value {
    json!({ "url_path": { "path": { how: value } } })
}

fn remote_ip(prefix: &str) -> Value {
    let (address, length) = prefix.split_once('/').unwrap_or((prefix, "32"));
    json!({ "direct_remote_ip": { "address_prefix": address, "prefix_len": length.parse::<u8>().unwrap_or(32) } })
}
