//! Generated rules as a riskgate ruleset.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Predicate, Rule};

/// The name of every generated ruleset.
pub const RULESET_NAME: &str = "generated";

/// Rules of one file: people keep files that an editor opens at once.
const RULES_A_FILE: usize = 2000;

/// Writes the ruleset's folder, which must exist.
///
/// # Errors
///
/// When a file cannot be written.
pub fn to_yaml(rules: &[Rule], folder: &Path) -> Result<()> {
    for (name, text) in to_texts(rules) {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Names and texts of the ruleset's files.
#[must_use]
pub fn to_texts(rules: &[Rule]) -> Vec<(String, String)> {
    let manifest = format!("language: 1\nruleset: {RULESET_NAME}\nttl: 7d\n");
    let mut files = vec![("ruleset.yaml".to_owned(), manifest)];
    for (index, some) in rules.chunks(RULES_A_FILE).enumerate() {
        files.push((format!("{index:03}.rules.yaml"), rule_file(some)));
    }
    files
}

fn rule_file(rules: &[Rule]) -> String {
    let mut text = "rules:\n".to_owned();
    for rule in rules {
        text.push_str(&head_of(rule));
        text.push_str("    then: deny\n");
    }
    text
}

/// A rule but for its action; another line of `all` may follow.
pub(crate) fn head_of(rule: &Rule) -> String {
    let id = &rule.id;
    let mut text = format!(
        "  - id: {id}\n    description: generated rule {id}\n    owner: edge-risk\n    severity: high\n    when:\n      all:\n"
    );
    for each in rule.all.iter().map(expression) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "        - '{}'", each.replace('\'', "''"));
    }
    text
}

fn expression(predicate: &Predicate) -> String {
    let header = |name: &str| format!("request.headers[{}]", quoted(name));
    match predicate {
        Predicate::MethodIs(method) => format!("request.method == {}", quoted(method)),
        Predicate::PathIs(path) => format!("request.url_path == {}", quoted(path)),
        Predicate::PathStartsWith(start) => {
            format!("request.url_path.startsWith({})", quoted(start))
        }
        Predicate::PathEndsWith(end) => format!("request.url_path.endsWith({})", quoted(end)),
        Predicate::PathContains(text) => format!("request.url_path.contains({})", quoted(text)),
        Predicate::HeaderIs { name, value } => format!("{} == {}", header(name), quoted(value)),
        Predicate::HeaderStartsWith { name, value } => {
            format!("{}.startsWith({})", header(name), quoted(value))
        }
        Predicate::HeaderContains { name, value } => {
            format!("{}.contains({})", header(name), quoted(value))
        }
        Predicate::HeaderIsNot { name, value } => {
            format!("{} != {}", header(name), quoted(value))
        }
        Predicate::SourceIn(networks) => {
            let networks: Vec<String> = networks.iter().map(|each| quoted(each)).collect();
            format!("source.ip in [{}]", networks.join(", "))
        }
    }
}

/// As a string of the rule language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
