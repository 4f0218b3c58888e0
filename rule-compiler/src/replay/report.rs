//! A replay's result for people and machines.

use std::collections::BTreeMap;

use riskgate_engine::ruleset::Ruleset;
use serde::Serialize;
use serde_json::Value;

use super::tally::{Answer, By, Change, Counts, RuleCounts, SCORES_FAR};
use super::{Plan, Tally};

mod human;

/// What a replay found. The JSON form is stable: keys are added, never renamed.
#[derive(Debug, Serialize)]
pub struct Report {
    bundle: Identity,
    baseline: Option<Identity>,
    requests: u64,
    lines_without_request: u64,
    bad_lines: u64,
    actions: BTreeMap<&'static str, u64>,
    would: BTreeMap<&'static str, u64>,
    deny_percent: f64,
    rules: Vec<RuleReport>,
    bands: Vec<BandReport>,
    default: u64,
    scores: Vec<ScoreReport>,
    changed: Option<u64>,
    change_percent: Option<f64>,
    changes: Vec<ChangeReport>,
    exceeded: Vec<Exceeded>,
    never_seen: Vec<String>,
}

/// Which bundle it was.
#[derive(Debug, Serialize)]
struct Identity {
    ruleset: String,
    revision: u64,
    digest: String,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    id: String,
    decided: u64,
    matched: u64,
    shadowed: u64,
    /// Of the rule of that id in the baseline.
    baseline: Option<RuleHits>,
}

#[derive(Debug, Serialize)]
struct RuleHits {
    decided: u64,
    matched: u64,
    shadowed: u64,
}

#[derive(Debug, Serialize)]
struct BandReport {
    at_least: i64,
    decided: u64,
}

/// Requests that scored from `from` up to and with `to`; far scores are open at one end.
#[derive(Debug, Serialize)]
struct ScoreReport {
    from: Option<i64>,
    to: Option<i64>,
    count: u64,
}

#[derive(Debug, Serialize)]
struct ChangeReport {
    from: AnswerReport,
    to: AnswerReport,
    count: u64,
    examples: Vec<ExampleReport>,
}

#[derive(Debug, Serialize)]
struct AnswerReport {
    action: &'static str,
    status: Option<u16>,
    rule: Option<String>,
    band: Option<i64>,
}

#[derive(Debug, Serialize)]
struct ExampleReport {
    line: u64,
    request: Value,
}

/// A limit that was passed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exceeded {
    /// The option that sets it.
    pub limit: &'static str,
    /// What is allowed.
    pub percent: f64,
    /// What was found.
    pub found_percent: f64,
}

/// Shares of all requests that are too many.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Denied requests, in percent.
    pub max_deny_percent: Option<f64>,
    /// Requests whose action or status changed, in percent.
    pub max_change_percent: Option<f64>,
}

impl Report {
    /// What `tally` says of the rulesets of `plan`.
    #[must_use]
    pub fn new(tally: &Tally, plan: &Plan<'_>, limits: &Limits) -> Report {
        let ids: Vec<&str> = plan.ruleset.rule_ids().collect();
        let old_ids: Vec<&str> = plan
            .baseline
            .into_iter()
            .flat_map(Ruleset::rule_ids)
            .collect();
        let denied = tally
            .counts
            .actions
            .get("deny")
            .copied()
            .unwrap_or_default();
        let deny_percent = percent(denied, tally.requests);
        let change_percent = plan
            .baseline
            .map(|_| percent(tally.changed, tally.requests));
        let mut changes: Vec<ChangeReport> = tally
            .changes
            .iter()
            .map(|((from, to), change)| change_report(from, to, change, &old_ids, &ids))
            .collect();
        // Equal counts stay in the order of the answers.
        changes.sort_by_key(|change| std::cmp::Reverse(change.count));
        Report {
            bundle: Identity::of(plan.ruleset),
            baseline: plan.baseline.map(Identity::of),
            requests: tally.requests,
            lines_without_request: tally.without_request,
            bad_lines: tally.bad_lines,
            actions: all_actions(&tally.counts.actions),
            would: all_actions(&tally.counts.would),
            deny_percent,
            rules: rule_reports(&ids, &tally.counts, &old_ids, tally.baseline.as_ref()),
            bands: tally
                .counts
                .bands
                .iter()
                .rev()
                .map(|(&at_least, &decided)| BandReport { at_least, decided })
                .collect(),
            default: tally.counts.default,
            scores: tally
                .counts
                .scores
                .iter()
                .map(|(&from, &count)| score_report(from, count))
                .collect(),
            changed: plan.baseline.map(|_| tally.changed),
            change_percent,
            changes,
            exceeded: exceeded(limits, deny_percent, change_percent),
            never_seen: tally.never_seen.clone(),
        }
    }

    /// The limits that were passed.
    #[must_use]
    pub fn exceeded(&self) -> &[Exceeded] {
        &self.exceeded
    }

    /// What the rulesets read and no request had, by the names of authors.
    #[must_use]
    pub fn never_seen(&self) -> &[String] {
        &self.never_seen
    }

    /// How many requests there were.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }
}

impl Identity {
    fn of(ruleset: &Ruleset) -> Identity {
        Identity {
            ruleset: ruleset.name().to_owned(),
            revision: ruleset.revision(),
            digest: ruleset.digest().to_string(),
        }
    }
}

fn exceeded(limits: &Limits, deny_percent: f64, change_percent: Option<f64>) -> Vec<Exceeded> {
    let checks = [
        (
            "--max-deny-rate",
            limits.max_deny_percent,
            Some(deny_percent),
        ),
        ("--max-change", limits.max_change_percent, change_percent),
    ];
    let exceeded = checks.into_iter().filter_map(|(limit, percent, found)| {
        let (percent, found_percent) = percent.zip(found)?;
        (found_percent > percent).then_some(Exceeded {
            limit,
            percent,
            found_percent,
        })
    });
    exceeded.collect()
}

/// Counts stay far below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than a double holds"
)]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// Every action, those that never came too.
fn all_actions(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
    ["allow", "deny", "challenge"]
        .into_iter()
        .map(|action| (action, counts.get(action).copied().unwrap_or_default()))
        .collect()
}

fn rule_reports(
    ids: &[&str],
    counts: &Counts,
    old_ids: &[&str],
    old: Option<&Counts>,
) -> Vec<RuleReport> {
    let old: BTreeMap<&str, &RuleCounts> = old
        .map(|old| old_ids.iter().copied().zip(&old.rules).collect())
        .unwrap_or_default();
    let rules = ids.iter().zip(&counts.rules);
    rules
        .map(|(id, own)| RuleReport {
            id: (*id).to_owned(),
            decided: own.decided,
            matched: own.matched,
            shadowed: own.shadowed,
            baseline: old.get(id).map(|old| RuleHits {
                decided: old.decided,
                matched: old.matched,
                shadowed: old.shadowed,
            }),
        })
        .collect()
}

fn score_report(from: i64, count: u64) -> ScoreReport {
    ScoreReport {
        from: (from > -SCORES_FAR).then_some(from),
        to: (from < SCORES_FAR).then_some(from + 9),
        count,
    }
}

fn change_report(
    from: &Answer,
    to: &Answer,
    change: &Change,
    old_ids: &[&str],
    ids: &[&str],
) -> ChangeReport {
    let examples = change.examples.iter().map(|example| ExampleReport {
        line: example.line,
        request: example.request.clone(),
    });
    ChangeReport {
        from: answer_report(from, old_ids),
        to: answer_report(to, ids),
        count: change.count,
        examples: examples.collect(),
    }
}

fn answer_report(answer: &Answer, ids: &[&str]) -> AnswerReport {
    let (rule, band) = match answer.by {
        By::Rule(place) => (ids.get(place).map(|id| (*id).to_owned()), None),
        By::Band(at_least) => (None, Some(at_least)),
        By::Default => (None, None),
    };
    AnswerReport {
        action: answer.action,
        status: answer.status,
        rule,
        band,
    }
}
