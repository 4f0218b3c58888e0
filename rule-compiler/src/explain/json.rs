//! An explanation for programs.

use serde_json::{Value, json};

use super::story::{Explanation, Part, RuleStory};
use crate::front::time;

/// Grows when a reader of the old form would misunderstand the new one.
const VERSION: u32 = 1;

/// One JSON document.
#[must_use]
pub fn json(explanation: &Explanation) -> Value {
    let score = explanation.score.iter();
    let score: Vec<Value> = score
        .map(|part| json!({ "rule": part.rule, "score": part.score }))
        .collect();
    let reply = explanation.reply.as_ref().map(crate::verdict_json::reply);
    json!({
        "version": VERSION,
        "ruleset": explanation.ruleset,
        "revision": explanation.revision,
        "at": time::format(explanation.at_us),
        "verdict": explanation.verdict,
        "reply": reply,
        "score": score,
        "rules": explanation.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn rule(story: &RuleStory) -> Value {
    let origin = story.origin.as_ref();
    json!({
        "id": story.id,
        "state": story.state.name(),
        "place": story.place,
        "file": origin.map(|origin| &origin.file),
        "line": origin.map(|origin| origin.line),
        "description": origin.and_then(|origin| origin.description.as_ref()),
        "then": story.then,
        "condition": part(&story.condition),
    })
}

fn part(condition: &Part) -> Value {
    match condition {
        Part::Constant(value) => json!({ "constant": value, "holds": value }),
        Part::Test {
            text,
            negated,
            holds,
            values,
        } => json!({ "test": text, "negated": negated, "holds": holds, "values": values }),
        Part::Join { all, holds, parts } => {
            let parts: Vec<Value> = parts.iter().map(part).collect();
            json!({ if *all { "all" } else { "any" }: parts, "holds": holds })
        }
    }
}
