//! An explanation as a tree that a person reads.

use std::fmt::Write as _;

use super::story::{Explanation, Part, RuleStory, State};
use crate::front::time;

/// The verdict, what the client gets, and each rule that matters with its condition. What holds is marked with a check mark and what
/// does not with a cross, or in words where `plain`.
#[must_use]
pub fn human(explanation: &Explanation, plain: bool) -> String {
    let mut text = heading(explanation);
    for story in &explanation.rules {
        text.push('\n');
        rule(story, plain, &mut text);
    }
    if explanation.rules.is_empty() {
        let _ = writeln!(
            text,
            "\nnone of {} rules matched, and none was near it; `--rule ID` tells what became of one",
            explanation.rule_count
        );
    }
    text
}

fn heading(explanation: &Explanation) -> String {
    let verdict = &explanation.verdict;
    let status = verdict
        .status
        .map_or_else(String::new, |status| format!(" {status}"));
    let by = match (&verdict.rule, verdict.band) {
        (Some(rule), _) => format!("rule `{rule}` decided"),
        (None, Some(band)) => format!("the score band from {band} decided"),
        (None, None) => "no rule and no score band decided: the default holds".to_owned(),
    };
    // Writing to a string cannot fail.
    let mut text = format!("{}{status}: {by}\n", verdict.action);
    if verdict.would != verdict.action {
        let _ = writeln!(
            text,
            "would: {}, had every match been enforced",
            verdict.would
        );
    }
    if !explanation.score.is_empty() {
        let parts = explanation.score.iter();
        let parts: Vec<String> = parts
            .map(|part| format!("{:+} {}", part.score, part.rule))
            .collect();
        let _ = writeln!(text, "score: {} = {}", verdict.score, parts.join(", "));
    }
    for (name, value) in &verdict.tags {
        let _ = writeln!(text, "tag: {name}: {value}");
    }
    if let Some(reply) = &explanation.reply {
        for (name, value) in &reply.headers {
            let value = String::from_utf8_lossy(value);
            let _ = writeln!(text, "reply: {name}: {}", one_line(&value));
        }
        if !reply.body.is_empty() {
            let _ = writeln!(text, "reply: a body of {} bytes", reply.body.len());
        }
    }
    let revision = explanation
        .revision
        .map(|number| format!(" revision {number}"));
    let _ = writeln!(
        text,
        "at {}, by {}{}",
        time::format(explanation.at_us),
        explanation.ruleset,
        revision.unwrap_or_default()
    );
    text
}

fn rule(story: &RuleStory, plain: bool, text: &mut String) {
    let origin = story.origin.as_ref();
    let place = origin.map_or_else(String::new, |origin| {
        format!(" ({}:{})", origin.file, origin.line)
    });
    let state = match story.state {
        State::Decided => "matched and decided",
        State::Matched => "matched",
        State::Shadowed => "matched, but is not enforced",
        State::Missed => "did not match",
        State::Inactive => "is not active at this time",
    };
    let _ = writeln!(
        text,
        "`{}`{place} {state}; {} in the order of decision; then {}",
        story.id,
        ordinal(story.place),
        story.then
    );
    if let Some(description) = origin.and_then(|origin| origin.description.as_deref()) {
        let _ = writeln!(text, "  # {}", one_line(description));
    }
    part(&story.condition, 1, plain, text);
}

fn part(condition: &Part, depth: usize, plain: bool, text: &mut String) {
    let mark = match (condition.holds(), plain) {
        (true, false) => "✓",
        (false, false) => "✗",
        (true, true) => "yes",
        (false, true) => "no ",
    };
    let _ = write!(text, "{:width$}{mark} ", "", width = depth * 2);
    match condition {
        Part::Constant(value) => {
            let _ = writeln!(text, "{value}");
        }
        Part::Test {
            text: test,
            negated,
            values,
            ..
        } => {
            let not = if *negated { "not " } else { "" };
            let values = match values.as_slice() {
                [] => "absent".to_owned(),
                values => values.join(", "),
            };
            let _ = writeln!(text, "{not}{test}   <- {values}");
        }
        Part::Join { all, parts, .. } => {
            let _ = writeln!(text, "{}", if *all { "all" } else { "any" });
            parts
                .iter()
                .for_each(|inner| part(inner, depth + 1, plain, text));
        }
    }
}

/// Without what could move a terminal's cursor.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "\u{fffd}")
}

fn ordinal(place: u32) -> String {
    let suffix = match (place % 10, place % 100) {
        (1, last) if last != 11 => "st",
        (2, last) if last != 12 => "nd",
        (3, last) if last != 13 => "rd",
        _ => "th",
    };
    format!("{place}{suffix}")
}
