//! The directions of ARCHITECTURE.md: who may depend on whom inside the workspace.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell::Command;

/// What a crate may depend on outside of its tests. A crate that is not named here may depend on all.
const ALLOWED: &[(&str, &[&str])] = &[
    ("riskgate-engine", &[]),
    ("riskgate-push-protocol", &[]),
    ("riskgate-wasm-host", &[]),
    (
        "riskgate-filter-sdk",
        &["riskgate-engine", "riskgate-push-protocol"],
    ),
    ("riskgate-filter-abi", &["riskgate-filter-sdk"]),
    ("riskgate-filter", &["riskgate-filter-abi"]),
    (
        "riskgate-compiler",
        &["riskgate-engine", "riskgate-wasm-host"],
    ),
    (
        "riskgate-pusher",
        &["riskgate-engine", "riskgate-push-protocol"],
    ),
    ("xtask", &[]),
];

/// Not even in tests: these meet at bundle bytes, or are the ground that the others stand on.
const NEVER: &[(&str, &str)] = &[
    ("riskgate-compiler", "riskgate-pusher"),
    ("riskgate-pusher", "riskgate-compiler"),
    ("riskgate-engine", "*"),
];

/// One dependency inside the workspace.
struct Edge {
    from: String,
    to: String,
    in_tests_only: bool,
}

pub(super) fn faults() -> Result<Vec<String>> {
    let faults = edges()?
        .into_iter()
        .filter(is_forbidden)
        .map(|edge| {
            format!(
                "{} must not depend on {}: see the folders in ARCHITECTURE.md",
                edge.from, edge.to
            )
        })
        .collect();
    Ok(faults)
}

fn is_forbidden(edge: &Edge) -> bool {
    let never = NEVER
        .iter()
        .any(|(from, to)| *from == edge.from && (*to == "*" || *to == edge.to));
    let not_allowed = ALLOWED
        .iter()
        .find(|(from, _)| *from == edge.from)
        .is_some_and(|(_, allowed)| !allowed.contains(&edge.to.as_str()));
    never || (not_allowed && !edge.in_tests_only)
}

fn edges() -> Result<Vec<Edge>> {
    let text = Command::cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    let metadata: Value =
        serde_json::from_str(&text).context("read the output of `cargo metadata`")?;
    let edges = list(&metadata, "packages").flat_map(edges_of).collect();
    Ok(edges)
}

/// A dependency with a path is one inside the workspace: there are no others on disk.
fn edges_of(package: &Value) -> Vec<Edge> {
    list(package, "dependencies")
        .filter(|dependency| dependency.get("path").is_some_and(Value::is_string))
        .map(|dependency| Edge {
            from: text(package, "name"),
            to: text(dependency, "name"),
            in_tests_only: text(dependency, "kind") == "dev",
        })
        .collect()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_of_the_architecture() {
        check("riskgate-pusher", "riskgate-compiler", true, true);
        check("riskgate-compiler", "riskgate-pusher", false, true);
        check("riskgate-engine", "riskgate-push-protocol", true, true);
        check("riskgate-filter-sdk", "riskgate-engine", false, false);
        check("riskgate-filter-sdk", "riskgate-wasm-host", false, true);
        check("riskgate-filter-sdk", "riskgate-wasm-host", true, false);
        check("riskgate-filter", "riskgate-engine", false, true);
        check("riskgate-e2e", "riskgate-pusher", false, false);
    }

    fn check(from: &str, to: &str, in_tests_only: bool, forbidden: bool) {
        let edge = Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            in_tests_only,
        };
        assert_eq!(is_forbidden(&edge), forbidden, "{from} on {to}");
    }
}
