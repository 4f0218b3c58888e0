//! What `rulec diff` says of random rulesets of which one rule was edited, judged by the plain evaluator.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use riskgate_compiler::diff::{Loaded, Report, diff};
use riskgate_compiler::ir::{Condition, Ruleset, Stage};
use riskgate_compiler::request_json;
use riskgate_engine::request::Request;
use serde_json::Value;

use crate::oracle::generate::{Case, case_of};
use crate::oracle::{OracleVerdict, decide};

/// Where requests happen that do not say when: no rule looks then.
const SOME_TIME_US: i64 = 1_767_225_600_000_000;

/// A change of one rule.
#[derive(Debug, Clone)]
enum Edit {
    Remove(Index),
    /// Its condition is that of another ruleset's rule.
    Condition(Index, Index),
    Negate(Index),
    /// What a match does is what one of another ruleset's rule does.
    Outcome(Index, Index),
    Stage(Index),
    Priority(Index, i32),
}

/// What came of very many edits.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Edits after which the plain evaluator gives one of many random requests another answer.
    pub(crate) flippable: usize,
    /// Of those, the ones for which a witness was found that flips.
    pub(crate) found: usize,
    /// Witnesses that flip, of all edits.
    pub(crate) witnesses: usize,
}

/// Edits so many rulesets, and checks every witness.
pub(crate) fn run(runner: &mut TestRunner, count: usize) -> Tally {
    let mut tally = Tally::default();
    // The second is where conditions and outcomes come from; both have the same kinds of lists.
    let cases = (case_of(60..=60), case_of(0..=0), edit());
    for _ in 0..count {
        let (old, other, edit) = cases.new_tree(runner).unwrap().current();
        let Case { ruleset, requests } = old;
        let edited = edited(&ruleset, &other.ruleset, &edit);
        let report = compare(&ruleset, &edited);
        tally.witnesses += check(&report, &ruleset, &edited, &edit);
        let flips = |request: &Request<'_>| {
            let old = decide(&ruleset, request);
            let new = decide(&edited, request);
            (old.action, old.reply) != (new.action, new.reply)
        };
        if requests.iter().any(|request| request.with(flips)) {
            tally.flippable += 1;
            tally.found += usize::from(report.flips() > 0);
        }
    }
    tally
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = || any::<Index>();
    prop_oneof![
        2 => at().prop_map(Edit::Remove),
        4 => (at(), at()).prop_map(|(at, from)| Edit::Condition(at, from)),
        1 => at().prop_map(Edit::Negate),
        2 => (at(), at()).prop_map(|(at, from)| Edit::Outcome(at, from)),
        1 => at().prop_map(Edit::Stage),
        1 => (at(), vec(Just(()), 0..3)).prop_map(|(at, up)| Edit::Priority(at, up.len() as i32 - 1)),
    ]
}

fn edited(ruleset: &Ruleset, other: &Ruleset, edit: &Edit) -> Ruleset {
    let mut edited = ruleset.clone();
    let (at, from) = match edit {
        Edit::Condition(at, from) | Edit::Outcome(at, from) => (at, Some(from)),
        Edit::Remove(at) | Edit::Negate(at) | Edit::Stage(at) | Edit::Priority(at, _) => (at, None),
    };
    let place = at.index(edited.rules.len());
    if let Edit::Remove(_) = edit {
        edited.rules.remove(place);
        return edited;
    }
    let rule = &mut edited.rules[place];
    let from = from.map(|from| &other.rules[from.index(other.rules.len())]);
    match (edit, from) {
        (Edit::Condition(..), Some(from)) => rule.when = from.when.clone(),
        (Edit::Outcome(..), Some(from)) => rule.then = from.then.clone(),
        (Edit::Negate(_), _) => rule.when = Condition::Not(Box::new(rule.when.clone())),
        (Edit::Stage(_), _) => {
            rule.stage = match rule.stage {
                Stage::Shadow => Stage::Enforce,
                _ => Stage::Shadow,
            };
        }
        (Edit::Priority(_, priority), _) => rule.priority = *priority,
        _ => {}
    }
    edited
}

fn compare(old: &Ruleset, new: &Ruleset) -> Report {
    let [old, new] = [old, new].map(|ruleset| Loaded::compile(ruleset).unwrap());
    diff(&old, &new)
}

/// Every witness is decided as the report says, and one that is said to flip does. Returns how many of these there are.
fn check(report: &Report, old: &Ruleset, new: &Ruleset, edit: &Edit) -> usize {
    let mut flips = 0;
    for (request, old_verdict, new_verdict, is_flip) in report.witnesses() {
        let json = request.to_string();
        let parsed = request_json::parse(&json).unwrap();
        let time_us = parsed.time_us().unwrap_or(SOME_TIME_US);
        let [before, after] =
            [old, new].map(|ruleset| parsed.with(time_us, |request| decide(ruleset, request)));
        for (found, told) in [(&before, old_verdict), (&after, new_verdict)] {
            assert_eq!(
                told_by(found),
                serde_json::to_value(told).unwrap(),
                "{json} {edit:?}"
            );
        }
        let differs = (before.action, before.reply) != (after.action, after.reply);
        assert_eq!(differs, is_flip, "{json} {edit:?}");
        flips += usize::from(is_flip);
    }
    flips
}

fn told_by(verdict: &OracleVerdict) -> Value {
    serde_json::json!({
        "action": verdict.action,
        "status": verdict.status,
        "rule": verdict.rule,
        "band": verdict.band,
        "score": verdict.score,
        "tags": verdict.tags,
        "matched": verdict.matched,
        "shadowed": verdict.shadowed,
        "would": verdict.would,
    })
}
