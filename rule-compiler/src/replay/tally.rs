//! What was decided of how many requests.

use std::collections::{BTreeMap, HashMap};

use riskgate_engine::ruleset::Ruleset;
use riskgate_engine::verdict::{Action, Verdict};
use serde_json::Value;

use super::unseen::Unseen;
use super::{BadLine, Plan};
use crate::request_json::OwnedRequest;
use crate::session::Session;

/// So many bad lines are kept to be shown; the others are counted.
const BAD_LINES_KEPT: usize = 5;
/// So many kinds of changes are told apart, so that memory stays bounded whatever the traffic.
const CHANGES_MAX: usize = 10_000;
/// Scores are told apart by tens up to here, above and below zero.
pub(super) const SCORES_FAR: i64 = 1_000;

/// What a request was answered, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// `allow`, `deny` or `challenge`.
    pub action: &'static str,
    /// Of the local reply.
    pub status: Option<u16>,
    /// What decided.
    pub by: By,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A rule, by its place.
    Rule(usize),
    /// A score band, by its `at_least`.
    Band(i64),
    /// The ruleset's default.
    Default,
}

/// A request that changed, and where it stands.
#[derive(Debug, Clone)]
pub struct Example {
    /// From 1.
    pub line: u64,
    /// As `rulec eval` takes it.
    pub request: Value,
}

/// Requests whose answer changed in one way.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// How often a rule matched.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleCounts {
    /// It decided.
    pub decided: u64,
    /// It matched and was enforced.
    pub matched: u64,
    /// It matched only.
    pub shadowed: u64,
}

/// What a ruleset did with all requests.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By action.
    pub actions: BTreeMap<&'static str, u64>,
    /// By the action had all matches been enforced.
    pub would: BTreeMap<&'static str, u64>,
    /// In the order of the rules.
    pub rules: Vec<RuleCounts>,
    /// What each score band decided, by its `at_least`.
    pub bands: BTreeMap<i64, u64>,
    /// What nothing decided.
    pub default: u64,
    /// Requests that scored, by tens.
    pub scores: BTreeMap<i64, u64>,
}

/// What was decided of how many requests.
#[derive(Debug)]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// Lines of requests that Envoy refused before any filter saw them.
    pub without_request: u64,
    /// Lines that are no requests.
    pub bad_lines: u64,
    /// The first of them.
    pub bad: Vec<BadLine>,
    /// Of the ruleset in question.
    pub counts: Counts,
    /// Of the baseline.
    pub baseline: Option<Counts>,
    /// Requests whose action or status changed.
    pub changed: u64,
    /// From the baseline's answer to the other's.
    pub changes: BTreeMap<(Answer, Answer), Change>,
    /// What the rulesets read and no request had, by the names of authors.
    pub never_seen: Vec<String>,
    examples: usize,
}

impl Tally {
    pub(super) fn new(plan: &Plan<'_>) -> Tally {
        Tally {
            requests: 0,
            without_request: 0,
            bad_lines: 0,
            bad: Vec::new(),
            counts: Counts::new(plan.ruleset),
            baseline: plan.baseline.map(Counts::new),
            changed: 0,
            changes: BTreeMap::new(),
            never_seen: Vec::new(),
            examples: plan.examples,
        }
    }

    pub(super) fn note_bad(&mut self, bad: Vec<BadLine>) {
        self.bad_lines += bad.len() as u64;
        self.bad.extend(bad);
        self.bad.truncate(BAD_LINES_KEPT);
    }

    pub(super) fn count(
        &mut self,
        decided: &Decided,
        before: Option<&Decided>,
        example: impl FnOnce() -> Example,
    ) {
        self.requests += 1;
        self.counts.count(decided);
        let (Some(before), Some(counts)) = (before, &mut self.baseline) else {
            return;
        };
        counts.count(before);
        let (old, new) = (before.answer, decided.answer);
        if (old.action, old.status) == (new.action, new.status) {
            return;
        }
        self.changed += 1;
        let change = self.changes.entry((old, new)).or_default();
        change.count += 1;
        if change.examples.len() < self.examples {
            change.examples.push(example());
        }
    }

    /// Adds what comes behind.
    pub(super) fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.without_request += other.without_request;
        self.counts.add(other.counts);
        if let (Some(own), Some(other)) = (&mut self.baseline, other.baseline) {
            own.add(other);
        }
        self.changed += other.changed;
        for (key, change) in other.changes {
            if self.changes.len() >= CHANGES_MAX && !self.changes.contains_key(&key) {
                continue;
            }
            let own = self.changes.entry(key).or_default();
            own.count += change.count;
            own.examples.extend(change.examples);
            own.examples.truncate(self.examples);
        }
    }
}

impl Counts {
    fn new(ruleset: &Ruleset) -> Counts {
        Counts {
            rules: ruleset.rule_ids().map(|_| RuleCounts::default()).collect(),
            ..Counts::default()
        }
    }

    fn count(&mut self, decided: &Decided) {
        *self.actions.entry(decided.answer.action).or_default() += 1;
        *self.would.entry(decided.would).or_default() += 1;
        match decided.answer.by {
            By::Rule(rule) => self.rule(rule, |counts| counts.decided += 1),
            By::Band(at_least) => *self.bands.entry(at_least).or_default() += 1,
            By::Default => self.default += 1,
        }
        for &rule in &decided.matched {
            self.rule(rule, |counts| counts.matched += 1);
        }
        for &rule in &decided.shadowed {
            self.rule(rule, |counts| counts.shadowed += 1);
        }
        if let Some(score) = decided.score {
            *self.scores.entry(tens(score)).or_default() += 1;
        }
    }

    fn rule(&mut self, rule: usize, change: impl FnOnce(&mut RuleCounts)) {
        if let Some(counts) = self.rules.get_mut(rule) {
            change(counts);
        }
    }

    fn add(&mut self, other: Counts) {
        add_all(&mut self.actions, other.actions);
        add_all(&mut self.would, other.would);
        for (own, other) in self.rules.iter_mut().zip(other.rules) {
            own.decided += other.decided;
            own.matched += other.matched;
            own.shadowed += other.shadowed;
        }
        add_all(&mut self.bands, other.bands);
        self.default += other.default;
        add_all(&mut self.scores, other.scores);
    }
}

fn add_all<K: Ord>(own: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    for (key, count) in other {
        *own.entry(key).or_default() += count;
    }
}

/// The multiple of ten that a score stands above; far ones are counted together.
fn tens(score: i64) -> i64 {
    score.clamp(-SCORES_FAR, SCORES_FAR).div_euclid(10) * 10
}

/// What a ruleset says of one request.
#[derive(Debug)]
pub(super) struct Decided {
    answer: Answer,
    would: &'static str,
    score: Option<i64>,
    matched: Vec<usize>,
    shadowed: Vec<usize>,
}

impl Default for Decided {
    fn default() -> Decided {
        Decided {
            answer: Answer {
                action: Action::Allow.as_str(),
                status: None,
                by: By::Default,
            },
            would: Action::Allow.as_str(),
            score: None,
            matched: Vec::new(),
            shadowed: Vec::new(),
        }
    }
}

/// The rulesets that decide each request, and what they have counted.
pub(super) struct Sides<'r> {
    new: Side<'r>,
    old: Option<Side<'r>>,
    unseen: Unseen,
}

impl<'r> Sides<'r> {
    pub(super) fn new(plan: &Plan<'r>) -> Sides<'r> {
        Sides {
            new: Side::new(plan.ruleset, plan),
            old: plan.baseline.map(|baseline| Side::new(baseline, plan)),
            unseen: Unseen::of(plan),
        }
    }

    pub(super) fn decide(
        &mut self,
        time_us: i64,
        request: &OwnedRequest,
        tell: impl FnOnce(&Decided, Option<&Decided>),
    ) {
        let Sides { new, old, unseen } = self;
        unseen.look_at(request);
        new.decide(time_us, request);
        if let Some(old) = old {
            old.decide(time_us, request);
        }
        tell(&new.decided, old.as_ref().map(|old| &old.decided));
    }
}

/// What no request of any of them had.
pub(super) fn never_seen(sides: &[Sides<'_>]) -> Vec<String> {
    Unseen::by_all(sides.iter().map(|sides| &sides.unseen))
}

struct Side<'r> {
    session: Session<'r>,
    places: HashMap<&'r str, usize>,
    decided: Decided,
}

impl<'r> Side<'r> {
    fn new(ruleset: &'r Ruleset, plan: &Plan<'_>) -> Side<'r> {
        Side {
            session: Session::new(ruleset, plan.default_time_us),
            places: ruleset.rule_ids().zip(0..).collect(),
            decided: Decided::default(),
        }
    }

    fn decide(&mut self, time_us: i64, request: &OwnedRequest) {
        let place = |id: &str| self.places.get(id).copied();
        let decided = &mut self.decided;
        self.session.decide_at(request, time_us, |verdict, _| {
            decided.answer = answer(verdict, place);
            decided.would = verdict.would().as_str();
            decided.score = verdict.is_scored().then(|| verdict.score());
            decided.matched.clear();
            decided.matched.extend(verdict.matched().filter_map(place));
            decided.shadowed.clear();
            let shadowed = verdict.shadowed().filter_map(place);
            decided.shadowed.extend(shadowed);
        });
    }
}

fn answer(verdict: &Verdict<'_>, place: impl Fn(&str) -> Option<usize>) -> Answer {
    let rule = verdict.rule().and_then(place).map(By::Rule);
    Answer {
        action: verdict.action().as_str(),
        status: verdict.status(),
        by: rule.or(verdict.band().map(By::Band)).unwrap_or(By::Default),
    }
}
