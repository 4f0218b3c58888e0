//! A verdict as JSON, in the shape that docs/rule-language.md promises.

use std::collections::BTreeMap;

use riskgate_engine::verdict::{LocalReply, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A verdict that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictJson {
    /// `allow`, `deny` or `challenge`.
    pub action: String,
    /// HTTP status of the local reply; null for allow.
    pub status: Option<u16>,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// `at_least` of the score band that decided, if one did.
    pub band: Option<i64>,
    /// Sum of the enforced matches' scores.
    pub score: i64,
    /// Of the enforced matches.
    pub tags: BTreeMap<String, String>,
    /// Enforced matches, in source order.
    pub matched: Vec<String>,
    /// Other matches, in source order.
    pub shadowed: Vec<String>,
    /// The action had all matches been enforced.
    pub would: String,
}

impl From<&Verdict<'_>> for VerdictJson {
    fn from(verdict: &Verdict<'_>) -> VerdictJson {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        VerdictJson {
            action: verdict.action().to_string(),
            status: verdict.status(),
            rule: verdict.rule().map(str::to_owned),
            band: verdict.band(),
            score: verdict.score(),
            tags: verdict.tags().map(owned).collect(),
            matched: verdict.matched().map(str::to_owned).collect(),
            shadowed: verdict.shadowed().map(str::to_owned).collect(),
            would: verdict.would().to_string(),
        }
    }
}

/// A reply: status, headers as pairs, and the body, with bytes that are not UTF-8 replaced.
#[must_use]
pub fn reply(reply: &LocalReply) -> Value {
    let headers: Vec<Value> = reply
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    json!({
        "status": reply.status,
        "headers": headers,
        "body": String::from_utf8_lossy(&reply.body),
    })
}
