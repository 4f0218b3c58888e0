//! The rules as a script for Envoy's Lua filter: hand-written Lua, then the rules as data for it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::model::{Predicate, Rule};

const REQUEST: &str = include_str!("request.lua");
const INDEXED: &str = include_str!("indexed.lua");
const LINEAR: &str = include_str!("linear.lua");

/// LuaJIT takes 65,536 constants a function, so each has the data of some rules only.
const RULES_A_FUNCTION: usize = 200;

/// A script that reaches rules through tables.
pub(super) fn indexed(rules: &[Rule]) -> String {
    script(INDEXED, rules)
}

/// A script that tries one rule after the other.
pub(super) fn linear(rules: &[Rule]) -> String {
    script(LINEAR, rules)
}

/// The filter with a script, which is written to a file in `folder`.
pub(super) fn filter(script: &str, folder: &Path) -> Result<Value> {
    let path = folder.join("rules.lua");
    fs::write(&path, script).with_context(|| path.display().to_string())?;
    Ok(json!({
        "name": "lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "filename": path },
        },
    }))
}

fn script(form: &str, rules: &[Rule]) -> String {
    let mut script = format!("{REQUEST}\n{form}\n");
    for some in rules.chunks(RULES_A_FUNCTION) {
        script.push_str("(function()\n");
        for rule in some {
            let all: Vec<String> = rule.all.iter().map(predicate).collect();
            // Writing to a string does not fail.
            let _ = writeln!(script, "rule{{{}}}", all.join(","));
        }
        script.push_str("end)();\n");
    }
    script.push_str("ready()\n");
    script
}

fn predicate(predicate: &Predicate) -> String {
    let (kind, operands) = match predicate {
        Predicate::MethodIs(method) => ("method_is", vec![method]),
        Predicate::PathIs(path) => ("path_is", vec![path]),
        Predicate::PathStartsWith(start) => ("path_starts_with", vec![start]),
        Predicate::PathEndsWith(end) => ("path_ends_with", vec![end]),
        Predicate::PathContains(text) => ("path_contains", vec![text]),
        Predicate::HeaderIs { name, value } => ("header_is", vec![name, value]),
        Predicate::HeaderStartsWith { name, value } => ("header_starts_with", vec![name, value]),
        Predicate::HeaderContains { name, value } => ("header_contains", vec![name, value]),
        Predicate::HeaderIsNot { name, value } => ("header_is_not", vec![name, value]),
        Predicate::SourceIn(networks) => ("source_in", networks.iter().collect()),
    };
    let operands: String = operands
        .into_iter()
        .map(|text| format!(",{}", quoted(text)))
        .collect();
    format!("{{{}{operands}}}", quoted(kind))
}

/// As a Lua string: generated texts are printable ASCII.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_split_and_quoted() {
        let rule = |index: usize| Rule {
            id: format!("r{index}"),
            all: vec![Predicate::HeaderIs {
                name: "x-platform".to_owned(),
                value: "\"a\\b\"".to_owned(),
            }],
        };
        let rules: Vec<Rule> = (0..=RULES_A_FUNCTION).map(rule).collect();
        let script = linear(&rules);
        assert_eq!(script.matches("(function()\n").count(), 2);
        let line = r#"rule{{"header_is","x-platform","\"a\\b\""}}"#;
        assert_eq!(script.matches(line).count(), rules.len());
    }
}
