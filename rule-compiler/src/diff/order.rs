//! Rules that changed places, and the rules with which that matters.

use std::collections::{BTreeSet, HashMap};

use riskgate_engine::atoms::View;
use riskgate_engine::attributes::Base;

use super::resolve::{Formula, Rule, Staged, Subject, Test};

/// So many pairs of rules are compared, which takes seconds.
const PAIRS_MAX: usize = 20_000_000;
/// So many rules are kept that one changed places with.
const PASSED_MAX: usize = 8;
/// Of longer ones it is not told whether two conditions can hold together.
const VALUES_COMPARED: usize = 16;

/// A rule's change of place that may matter.
#[derive(Debug, Default)]
pub(super) struct Moved<'a> {
    /// Some that it stood behind and now stands before, or the other way round; those that answer otherwise first.
    pub(super) passed: Vec<&'a Rule>,
    /// Whether clients may get another answer.
    pub(super) may_flip: bool,
}

/// What may come of two rules' changing places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stake {
    /// The client's answer.
    Answer,
    /// Another part of the verdict: the rule that decided, a tag, `would`.
    Verdict,
}

/// A rule as it was and as it is.
type Pair<'a> = (&'a Rule, &'a Rule);

/// Rules whose place among those of both bundles is another, where that may matter. As few rules as can be are said to have
/// moved.
pub(super) fn moved<'a>(old: &'a [Rule], new: &'a [Rule]) -> HashMap<&'a str, Moved<'a>> {
    moved_within(PAIRS_MAX, old, new)
}

fn moved_within<'a>(
    pairs_max: usize,
    old: &'a [Rule],
    new: &'a [Rule],
) -> HashMap<&'a str, Moved<'a>> {
    let before = old.iter().map(|rule| (rule.id.as_str(), rule));
    let before: HashMap<&str, &Rule> = before.collect();
    let common = new
        .iter()
        .filter_map(|rule| Some((*before.get(rule.id.as_str())?, rule)));
    let mut common: Vec<Pair<'_>> = common.collect();
    common.sort_by_key(|(_, new)| new.rank);
    let ranks: Vec<u32> = common.iter().map(|(old, _)| old.rank).collect();
    let stays = longest_ascent(&ranks);
    let mut pairs_left = pairs_max;
    let mut moved = HashMap::new();
    for (at, pair) in common.iter().enumerate() {
        let matters = |rule: &Rule| rule.action.is_some() || !rule.tags.is_empty();
        if stays.contains(&at) || !(matters(pair.0) || matters(pair.1)) {
            continue;
        }
        let own = passed(&common, at, *pair, &mut pairs_left);
        if own.may_flip || !own.passed.is_empty() {
            moved.insert(pair.1.id.as_str(), own);
        }
    }
    moved
}

fn passed<'a>(
    common: &[Pair<'a>],
    at: usize,
    (old, new): Pair<'a>,
    pairs_left: &mut usize,
) -> Moved<'a> {
    let (mut answering, mut others) = (Vec::new(), Vec::new());
    let is_cut = *pairs_left < common.len();
    *pairs_left = pairs_left.saturating_sub(common.len());
    let compared = if is_cut { &[] } else { common };
    for (other_at, (other_old, other_new)) in compared.iter().enumerate() {
        if (other_at < at) == (other_old.rank < old.rank) {
            continue;
        }
        let stakes = [stake(old, other_old), stake(new, other_new)];
        match stakes.into_iter().flatten().min() {
            Some(Stake::Answer) => answering.push(*other_new),
            Some(Stake::Verdict) => others.push(*other_new),
            None => {}
        }
    }
    let may_flip = is_cut || !answering.is_empty();
    answering.extend(others);
    answering.truncate(PASSED_MAX);
    Moved {
        passed: answering,
        may_flip,
    }
}

fn stake(one: &Rule, other: &Rule) -> Option<Stake> {
    let are_enforced = [one, other].iter().all(|rule| rule.stage != Staged::Shadow);
    let stake = match one.action.as_ref().zip(other.action.as_ref()) {
        Some((one, other)) if are_enforced && one != other => Some(Stake::Answer),
        Some(_) if are_enforced => Some(Stake::Verdict),
        Some((one, other)) if one.kind != other.kind => Some(Stake::Verdict),
        _ if are_enforced && tag_differently(one, other) => Some(Stake::Verdict),
        _ => None,
    };
    stake.filter(|_| !exclude_each_other(one, other))
}

/// Of two values for one tag that of the first rule stands.
fn tag_differently(one: &Rule, other: &Rule) -> bool {
    let mut tags = one.tags.iter();
    tags.any(|(name, value)| {
        let mut others = other.tags.iter();
        others.any(|(other, other_value)| name == other && value != other_value)
    })
}

/// Whether no request matches both, as far as one test of each says: they want other values of what has but one.
fn exclude_each_other(one: &Rule, other: &Rule) -> bool {
    let values = wanted(&other.when);
    let mut own = wanted(&one.when).into_iter();
    own.any(|(subject, wanted)| {
        let mut same = values.iter().filter(|(other, _)| *other == subject);
        same.any(|(_, others)| !wanted.iter().any(|value| others.contains(value)))
    })
}

/// The values of which a request has to have one, for each test that has to hold and looks at a single value.
fn wanted(when: &Formula) -> Vec<(&Subject, &[Vec<u8>])> {
    let parts = match when {
        Formula::All(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    let tests = parts.iter().filter_map(|part| match part {
        Formula::Literal(atom, true) => Some(atom),
        _ => None,
    });
    let single = [
        Base::Method,
        Base::Scheme,
        Base::Host,
        Base::Path,
        Base::UrlPath,
    ];
    let wanted = tests.filter_map(|atom| match &atom.test {
        Test::OneOf(values) => {
            let is_single = single.contains(&atom.subject.base) && atom.view == View::Value;
            let is_short = values.len() <= VALUES_COMPARED;
            (is_single && is_short).then_some((&atom.subject, values.as_slice()))
        }
        _ => None,
    });
    wanted.collect()
}

/// The places of a longest ascending sequence.
fn longest_ascent(values: &[u32]) -> BTreeSet<usize> {
    // For each length the place of the lowest value that a sequence of that length ends with.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values.get(*end) < Some(value));
        before.push(
            length
                .checked_sub(1)
                .and_then(|last| ends.get(last).copied()),
        );
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut places = BTreeSet::new();
    let mut next = ends.last().copied();
    while let Some(at) = next {
        places.insert(at);
        next = before.get(at).copied().flatten();
    }
    places
}

#[cfg(test)]
mod tests {
    use riskgate_engine::actions::ActionKind;

    use super::moved_within;
    use crate::diff::resolve::{Action, Formula, Rule, Staged};

    fn deny(id: &str, rank: u32) -> Rule {
        Rule {
            id: id.to_owned(),
            when: Formula::Constant(true),
            stage: Staged::Enforce,
            action: Some(Action {
                kind: ActionKind::Deny,
                status: 403,
                headers: Vec::new(),
                body: Vec::new(),
                template: Vec::new(),
                named_rule: None,
            }),
            score: None,
            tags: Vec::new(),
            active: (i64::MIN, i64::MAX),
            rank,
            provenance: None,
        }
    }

    #[test]
    fn beyond_the_bound_nothing_is_said_to_be_harmless() {
        let old = [deny("a", 0), deny("b", 1), deny("c", 2)];
        let new = [deny("c", 0), deny("a", 1), deny("b", 2)];
        let told = |pairs_max| {
            let moved = moved_within(pairs_max, &old, &new);
            let own = moved.get("c");
            own.map(|own| (own.passed.len(), own.may_flip))
        };
        assert_eq!(told(3), Some((2, false)));
        assert_eq!(told(2), Some((0, true)));
        assert!(moved_within(0, &old, &old).is_empty());
    }
}
