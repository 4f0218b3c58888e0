//! Requests on which two bundles decide differently, found from the rules that differ.
//!
//! A goal is a set of tests and how each is to come out, such that a rule's condition comes out otherwise than before. A
//! request is made that meets it, and both bundles decide that with the engine: only what the engine says is told.

use std::collections::HashSet;
use std::rc::Rc;

mod automaton;
mod disguise;
mod draft;
mod goals;
mod json;
mod probe;
mod settings;
mod solve;
mod texts;

pub(super) use goals::are_same;

use goals::{Goal, both, ways};
use probe::{Decided, Probe};
use serde_json::Value;
use solve::{Candidate, repeats, solve};

use super::resolve::{Atom, Formula, Rule, Side, Staged, Test};
use super::structure::RuleChange;
use crate::verdict_json::VerdictJson;

/// So many questions are asked of the bundles for one change at most.
const QUESTIONS_A_CHANGE: usize = 4_000;
/// So many for all of them, in equal shares; what one leaves over goes to those behind it.
const QUESTIONS: usize = 600_000;
/// A share is not smaller, however many changes there are.
const SHARE_MIN: usize = 60;
/// So many rules that stand in the way of one are kept from matching.
const OBSTACLES_MAX: usize = 3;
/// So many clients are tried where a share of them is told from the others.
const CLIENTS_TRIED: u8 = 200;
/// So many other rules are brought to match with one, each in its turn.
const OTHERS_MAX: usize = 12;

/// The time of a witness is the new bundle's own, so that the same two bundles have the same witnesses on any day; that of a
/// ruleset that was compiled in memory is this, 2026-01-01T00:00:00Z.
const EARLIEST_S: u64 = 1_767_225_600;

/// A test, and how it is to come out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Want {
    atom: Rc<Atom>,
    holds: bool,
}

/// A request on which the bundles differ.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    pub(super) request: Value,
    /// How often it comes before it is looked at, itself included: counters rise with each.
    pub(super) repeat: u32,
    pub(super) old: VerdictJson,
    pub(super) new: VerdictJson,
    /// Whether the client gets another answer.
    pub(super) flips: bool,
}

/// Looks for witnesses.
pub(super) struct Search<'a> {
    probe: Probe<'a>,
    left: usize,
    /// So many changes are still to be looked at.
    waiting: usize,
    /// When a request without other wishes happens.
    default_us: i64,
}

impl<'a> Search<'a> {
    /// For so many changes.
    pub(super) fn new(old: &'a Side<'a>, new: &'a Side<'a>, changes: usize) -> Search<'a> {
        let issued_s = new.ruleset.not_before_s().max(EARLIEST_S);
        let default_us = i64::try_from(issued_s)
            .unwrap_or_default()
            .saturating_mul(1_000_000);
        Search {
            probe: Probe::new(old, new, default_us),
            left: QUESTIONS,
            waiting: changes,
            default_us,
        }
    }

    /// For a rule that is in one bundle only, or in both and not the same, or that changed places with others.
    pub(super) fn of_rule(&mut self, change: &RuleChange<'_>) -> Option<Witness> {
        let passed = change.moved.as_ref().map(|moved| moved.passed.as_slice());
        self.look(|search| {
            let mut best = None;
            // A rule that does what it did shows with those that it passed.
            if !change.acts_alike {
                best = search.of_itself(change.old, change.new);
            }
            for other in passed.unwrap_or_default() {
                if !best.as_ref().is_some_and(|best| best.flips) {
                    best = search.of_order(change.new?, other, best);
                }
            }
            best
        })
    }

    fn of_itself(&mut self, old: Option<&Rule>, new: Option<&Rule>) -> Option<Witness> {
        let times = self.times(old, new);
        let goals = goals_of(old, new);
        let own: Vec<&Rule> = [old, new].into_iter().flatten().collect();
        let mut best = self.best(&goals, &times, &own, None);
        for more in [Search::with_scorers, Search::with_deciders] {
            if !best.as_ref().is_some_and(|best| best.flips) {
                let goals = more(self, &goals, &own, &times);
                best = self.best(&goals, &times, &own, best);
            }
        }
        best
    }

    /// For two rules of which another is the first to decide than was before.
    fn of_order(&mut self, first: &Rule, second: &Rule, best: Option<Witness>) -> Option<Witness> {
        let goals = both(&ways(&first.when, true), &ways(&second.when, true));
        let times = self.times(Some(first), Some(second));
        self.best(&goals, &times, &[first, second], best)
    }

    /// For what holds where no rule decides.
    pub(super) fn of_policy(&mut self) -> Option<Witness> {
        let times = [self.default_us];
        self.look(|search| {
            let none = vec![Goal::new()];
            let best = search.best(&none, &times, &[], None);
            if best.as_ref().is_some_and(|best| best.flips) {
                return best;
            }
            let scorers = search.with_scorers(&none, &[], &times);
            search.best(&scorers, &times, &[], best)
        })
    }

    fn look(&mut self, search: impl FnOnce(&mut Self) -> Option<Witness>) -> Option<Witness> {
        let share = self.left / self.waiting.max(1);
        let budget = share.clamp(SHARE_MIN, QUESTIONS_A_CHANGE);
        self.probe.budget = budget;
        let found = search(self);
        self.left = self.left.saturating_sub(budget - self.probe.budget);
        self.waiting = self.waiting.saturating_sub(1);
        found
    }

    /// When a rule is active, in both bundles or in one of them only.
    fn times(&self, old: Option<&Rule>, new: Option<&Rule>) -> Vec<i64> {
        let mut times = vec![self.default_us];
        for (from_us, until_us) in [new, old].into_iter().flatten().map(|rule| rule.active) {
            times.extend([
                from_us,
                until_us.saturating_sub(1),
                from_us.saturating_sub(1),
                until_us,
            ]);
        }
        let lies_in = |time_us: &i64, rule: Option<&Rule>| {
            rule.is_some_and(|rule| (rule.active.0..rule.active.1).contains(time_us))
        };
        // Where one is active and the other is not, and then where both are.
        times.sort_by_key(
            |time_us| match (lies_in(time_us, old), lies_in(time_us, new)) {
                (true, false) | (false, true) => 0,
                (true, true) => 1,
                (false, false) => 2,
            },
        );
        times.retain(|time_us| jiff::Timestamp::from_microsecond(*time_us).is_ok());
        times.dedup();
        times
    }

    /// The first witness that flips, or else the first on which the bundles differ at all.
    fn best(
        &mut self,
        goals: &[Goal],
        times: &[i64],
        own: &[&Rule],
        mut best: Option<Witness>,
    ) -> Option<Witness> {
        let goals: Vec<Goal> = goals.iter().flat_map(counted).collect();
        for goal in &goals {
            for times in times_of(times) {
                let found = self.reach(goal, times, own, OBSTACLES_MAX);
                match found {
                    Some(found) if found.flips => return Some(found),
                    found => best = best.or(found),
                }
                if self.probe.budget == 0 {
                    return best;
                }
            }
        }
        best
    }

    /// A request that meets the goal, and others that keep what else decides it from doing so.
    fn reach(
        &mut self,
        goal: &Goal,
        times: &[i64],
        own: &[&Rule],
        depth: usize,
    ) -> Option<Witness> {
        let candidate = solve(&mut self.probe, goal, times)?;
        let mut best = self.judge(&candidate, own);
        if !best.as_ref().is_some_and(|best| best.flips) {
            best = self.other_clients(&candidate, goal, own).or(best);
        }
        if depth == 0 || best.as_ref().is_some_and(|best| best.flips) {
            return best;
        }
        let (old, new) = self.probe.decide(&candidate.request, candidate.repeat);
        let in_the_way = [&new, &old].map(|decided| decided.verdict.rule.clone());
        let is_own = |id: &String| own.iter().any(|rule| rule.id == *id);
        let obstacle = in_the_way.into_iter().flatten().find(|id| !is_own(id));
        let Some(obstacle) = obstacle else {
            return best;
        };
        for time in self.times_without(&obstacle) {
            let found = self.reach(goal, &[time], own, depth - 1);
            if found.as_ref().is_some_and(|found| found.flips) {
                return found;
            }
            best = best.or(found);
        }
        for condition in self.conditions_of(&obstacle) {
            for goal in both(std::slice::from_ref(goal), &ways(&condition, false)) {
                let found = self.reach(&goal, times, own, depth - 1);
                if found.as_ref().is_some_and(|found| found.flips) {
                    return found;
                }
                best = best.or(found);
            }
        }
        best
    }

    fn judge(&mut self, candidate: &Candidate, own: &[&Rule]) -> Option<Witness> {
        let (old, new) = self.probe.decide(&candidate.request, candidate.repeat);
        witness(candidate, &old, &new, own)
    }

    /// The same request of other clients: of a rule at stage canary, each bundle may enforce the matches of others.
    fn other_clients(
        &mut self,
        candidate: &Candidate,
        goal: &Goal,
        own: &[&Rule],
    ) -> Option<Witness> {
        let keys = own.iter().find_map(|rule| match &rule.stage {
            Staged::Canary(_, keys) => Some(keys),
            _ => None,
        })?;
        let wants: Vec<&Want> = goal.iter().collect();
        (0..CLIENTS_TRIED).find_map(|number| {
            let other = candidate.of_client(keys, number)?;
            let is_met = self.probe.budget > 0 && self.probe.meets(&other.request, &wants);
            let found = is_met.then(|| self.judge(&other, own)).flatten();
            found.filter(|found| found.flips)
        })
    }

    /// Just after and just before a rule is active, in each bundle.
    fn times_without(&self, id: &str) -> Vec<i64> {
        let sides = [self.probe.new, self.probe.old];
        let rules = sides.iter().flat_map(|side| side.rules.iter());
        let windows = rules.filter(|rule| rule.id == id).map(|rule| rule.active);
        let mut windows: Vec<(i64, i64)> = windows.collect();
        windows.dedup();
        let times = windows.iter();
        times
            .flat_map(|(from_us, until_us)| [*until_us, from_us.saturating_sub(1)])
            .filter(|time_us| jiff::Timestamp::from_microsecond(*time_us).is_ok())
            .collect()
    }

    fn conditions_of(&self, id: &str) -> Vec<Formula> {
        let of = |side: &Side<'_>| {
            let rule = side.rules.iter().find(|rule| rule.id == id);
            rule.map(|rule| rule.when.clone())
        };
        let (old, new) = (of(self.probe.old), of(self.probe.new));
        let both_are_same = old == new;
        let old = old.filter(|_| !both_are_same);
        new.into_iter().chain(old).collect()
    }

    /// The goals together with other rules that score: each alone, and the highest of them one upon the other. A score
    /// shows where a band is reached, and what decides shows where one would have decided.
    fn with_scorers(&mut self, goals: &[Goal], own: &[&Rule], times: &[i64]) -> Vec<Goal> {
        let matters = |rule: &&Rule| rule.score.is_some() || rule.action.is_some();
        if !own.is_empty() && !own.iter().any(matters) {
            return Vec::new();
        }
        let mut others = self.others(own, |rule| rule.score.is_some());
        others.sort_by_key(|rule| std::cmp::Reverse(rule.score));
        others.truncate(OTHERS_MAX);
        let mut raised = Vec::new();
        let mut stacked = first_of(goals).to_vec();
        for rule in others {
            let ways = ways(&rule.when, true);
            raised.extend(both(first_of(goals), &ways).into_iter().take(3));
            let mut higher = both(&stacked, &ways).into_iter().take(6);
            // What no request meets must not keep the others from being laid upon it.
            let met = higher.find(|goal| solve(&mut self.probe, goal, times).is_some());
            if let Some(met) = met {
                raised.push(met.clone());
                stacked = vec![met];
            }
        }
        raised.reverse();
        raised
    }

    /// The goals together with another rule that decides, and otherwise: an allow rule shows where one denies.
    fn with_deciders(&mut self, goals: &[Goal], own: &[&Rule], _: &[i64]) -> Vec<Goal> {
        let acts: Vec<_> = own.iter().filter_map(|rule| rule.action.as_ref()).collect();
        if acts.is_empty() {
            return Vec::new();
        }
        let mut others = self.others(own, |rule| {
            let action = rule.action.as_ref();
            action.is_some_and(|action| acts.iter().any(|own| *own != action))
        });
        others.truncate(OTHERS_MAX);
        let first = first_of(goals);
        let ways = others.iter().map(|rule| ways(&rule.when, true));
        ways.flat_map(|ways| both(first, &ways).into_iter().take(3))
            .collect()
    }

    /// Rules of both bundles but these, each id once.
    fn others(&self, own: &[&Rule], is_wanted: impl Fn(&Rule) -> bool) -> Vec<&'a Rule> {
        let mut ids: HashSet<&str> = own.iter().map(|rule| rule.id.as_str()).collect();
        let (new, old) = (&self.probe.new.rules, &self.probe.old.rules);
        let all = new.iter().chain(old).filter(|rule| is_wanted(rule));
        all.filter(|rule| ids.insert(rule.id.as_str())).collect()
    }
}

fn first_of(goals: &[Goal]) -> &[Goal] {
    goals.get(..goals.len().min(3)).unwrap_or_default()
}

/// The goal, with what a request has to be so that the counters that are to rise count it: first so that the others do not,
/// and then whether they do or not.
fn counted(goal: &Goal) -> Vec<Goal> {
    let rises = |want: &&Want| repeats(want).is_some_and(|times| times > 1);
    let with = |goals: Vec<Goal>, want: &Want, holds: bool| match &want.atom.test {
        Test::Counter(counter, ..) => both(&goals, &ways(&counter.counts, holds)),
        _ => goals,
    };
    let alone = vec![goal.clone()];
    let rising = goal.iter().filter(rises);
    let rising = rising.fold(alone.clone(), |goals, want| with(goals, want, true));
    if rising == alone {
        return alone;
    }
    let others = goal.iter().filter(|want| !rises(want));
    let mut goals = others.fold(rising.clone(), |goals, want| with(goals, want, false));
    if goals != rising {
        goals.extend(rising);
    }
    goals
}

/// Each time for itself: a request comes at one only, and which of them shows a difference depends on the goal.
fn times_of(times: &[i64]) -> impl Iterator<Item = &[i64]> {
    times.chunks(1)
}

fn goals_of(old: Option<&Rule>, new: Option<&Rule>) -> Vec<Goal> {
    let (Some(old), Some(new)) = (old, new) else {
        let one = old.or(new);
        return one.map_or_else(Vec::new, |rule| ways(&rule.when, true));
    };
    let of = |rule: &Rule, holds: bool| ways(&rule.when, holds);
    let mut goals = both(&of(new, true), &of(old, false));
    goals.extend(both(&of(new, false), &of(old, true)));
    // What a match does may have changed, or when.
    goals.extend(both(&of(new, true), &of(old, true)));
    goals
}

/// None if the bundles agree, or if what they differ in has nothing to do with these rules.
fn witness(candidate: &Candidate, old: &Decided, new: &Decided, own: &[&Rule]) -> Option<Witness> {
    let flips = !old.answers_as(new) && is_due_to(own, &old.verdict, &new.verdict);
    let is_told = own.is_empty() || own.iter().any(|rule| is_about(&rule.id, old, new));
    (flips || (is_told && old.verdict != new.verdict)).then(|| Witness {
        request: candidate.request.to_json(),
        repeat: candidate.repeat,
        old: old.verdict.clone(),
        new: new.verdict.clone(),
        flips,
    })
}

/// Whether one of these rules decided, or scored where the score did; without rules it is about what holds without them.
fn is_due_to(own: &[&Rule], old: &VerdictJson, new: &VerdictJson) -> bool {
    let verdicts = [old, new];
    if own.is_empty() {
        return verdicts.iter().all(|verdict| verdict.rule.is_none());
    }
    let is_banded = verdicts.iter().any(|verdict| verdict.band.is_some());
    own.iter().any(|rule| {
        let decides = |verdict: &&VerdictJson| verdict.rule.as_ref() == Some(&rule.id);
        let scores = |verdict: &&VerdictJson| verdict.matched.contains(&rule.id);
        verdicts.iter().any(decides)
            || (is_banded && rule.score.is_some() && verdicts.iter().any(scores))
    })
}

/// Whether a rule matched in one of the bundles.
fn is_about(id: &String, old: &Decided, new: &Decided) -> bool {
    [old, new].iter().any(|decided| {
        let verdict = &decided.verdict;
        verdict.matched.contains(id) || verdict.shadowed.contains(id)
    })
}
