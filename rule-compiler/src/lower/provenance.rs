//! Section `provenance`: where rules come from and who answers for them, as JSON. It is detached: people read it,
//! filters never see it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ir::{self, Ruleset};

/// The section's contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Names, in the order of the list sections.
    pub lists: Vec<String>,
    /// In source order.
    pub rules: Vec<RuleProvenance>,
    /// The names of the custom attributes that were declared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub custom_attributes: BTreeSet<String>,
}

/// Where a rule comes from and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the language's own names")]
pub struct RuleProvenance {
    pub id: String,
    pub file: String,
    pub line: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Provenance {
    /// Of a ruleset.
    #[must_use]
    pub fn new(ruleset: &Ruleset) -> Provenance {
        Provenance {
            lists: ruleset.lists.iter().map(|list| list.name.clone()).collect(),
            rules: ruleset.rules.iter().map(describe).collect(),
            custom_attributes: ruleset.custom_attributes.clone(),
        }
    }
}

pub(super) fn write(ruleset: &Ruleset) -> Vec<u8> {
    // Strings, numbers and lists of them always have a JSON form.
    serde_json::to_vec(&Provenance::new(ruleset)).unwrap_or_default()
}

fn describe(rule: &ir::Rule) -> RuleProvenance {
    RuleProvenance {
        id: rule.id.clone(),
        file: rule.origin.file.clone(),
        line: rule.origin.line,
        description: rule.description.clone(),
        owner: rule.owner.clone(),
        ticket: rule.ticket.clone(),
        severity: rule.severity.map(|severity| {
            match severity {
                ir::Severity::Low => "low",
                ir::Severity::Medium => "medium",
                ir::Severity::High => "high",
                ir::Severity::Critical => "critical",
            }
            .to_owned()
        }),
        tags: rule.labels.clone(),
    }
}
