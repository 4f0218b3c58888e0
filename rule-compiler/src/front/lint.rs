//! Warnings: rules that can be built but most likely do not mean what they say.

mod absent;
mod always_checked;
mod approximate;
mod bands;
mod cut;
mod fold;
mod many_values;
mod normal;
mod overruled;
mod ruleset;
mod truth;
mod walk;

use super::{check::Place, context::Context, list::Lists, when::When, yaml::Node};
use crate::{
    diagnostic::{Code, Diagnostic},
    ir::{Active, Outcome, Terminal},
};

pub(crate) use bands::bands;
pub(crate) use fold::{fold, kept_atoms};
pub(crate) use overruled::overruled;
pub(crate) use ruleset::{no_rules, unused_counters, unused_lists, unused_suppressions};

/// A rule as the warnings see it.
pub(crate) struct Subject<'s, 'n> {
    /// Its `when`.
    pub(crate) node: &'n Node,
    /// What that says.
    pub(crate) when: &'s When<'n>,
    /// Its `then`.
    pub(crate) then: &'s Outcome,
    /// When it can match, and where that stands.
    pub(crate) active: Option<(Active, &'n Node)>,
    /// The lists of the ruleset.
    pub(crate) lists: &'s Lists,
    /// The time, if that is known.
    pub(crate) now_us: Option<i64>,
}

/// Warns of what is odd about one rule.
pub(crate) fn rule(cx: &mut Context<'_>, subject: &Subject<'_, '_>) {
    cut::cut_condition(cx, subject.when);
    many_values::allow_trusts_many_values(cx, subject.when, subject.then);
    if truth::constant(cx, subject) {
        return;
    }
    truth::over_for_good(cx, subject);
    always_checked::always_checked(cx, subject.node, &fold(subject.when.condition.clone()));
    normal::not_normalised(cx, subject.when, Effect::of(subject.then));
    normal::joined_headers(cx, subject);
    absent::only_negated(cx, subject);
    approximate::admits_strangers(cx, subject);
}

/// Warns of what is odd about a counter's `count_when`: whom it counts is nearer to being refused.
pub(crate) fn count_when(cx: &mut Context<'_>, node: &Node, when: &When<'_>, lists: &Lists) {
    cut::cut_condition(cx, when);
    if truth::never_counts(cx, node, when, lists) {
        return;
    }
    normal::not_normalised(cx, when, Effect::Refuses);
}

/// What a match of a rule means for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It is refused, challenged, or nearer to that.
    Refuses,
    /// It is let through, or nearer to that.
    Admits,
    /// Neither.
    Notes,
}

impl Effect {
    fn of(then: &Outcome) -> Self {
        match (&then.terminal, then.score.unwrap_or(0)) {
            (Some(Terminal::Allow), _) => Self::Admits,
            (Some(_), _) => Self::Refuses,
            (None, score) if score > 0 => Self::Refuses,
            (None, score) if score < 0 => Self::Admits,
            (None, _) => Self::Notes,
        }
    }

    /// Whether a client gains by a test that comes out false, or by one that comes out true; `positive` is what the rule wants.
    fn rewards(self, positive: bool) -> Option<Aim> {
        match (self, positive) {
            (Self::Notes, _) => None,
            (Self::Refuses, true) | (Self::Admits, false) => Some(Aim::Dodge),
            (Self::Refuses, false) | (Self::Admits, true) => Some(Aim::Feign),
        }
    }
}

/// What a client tries with a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// To look unlike what it is about.
    Dodge,
    /// To look like it.
    Feign,
}

/// A warning about the attribute of a test, and how many other tests of the rule it is true of.
fn about_tests(
    cx: &Context<'_>,
    code: Code,
    places: &[&Place<'_>],
    message: impl FnOnce(&str) -> String,
) -> Option<Diagnostic> {
    let first = places.first()?;
    let range = first.range(cx);
    let written = cx.text.get(range.clone()).unwrap_or("");
    let diagnostic = cx.diagnostic(code, &range, message(written));
    Some(match places.len() {
        1 => diagnostic,
        count => diagnostic.note(format!("{count} tests of this condition are like that")),
    })
}
