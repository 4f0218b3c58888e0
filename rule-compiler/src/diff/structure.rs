//! What is different in the rules, lists, counters and policy of two bundles, before any request is asked about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use riskgate_engine::contents::AddressRange;
use serde::Serialize;

use super::resolve::{self, List, Rule, Side, Test};
use super::text;
use super::witness::are_same;

/// Whether something is in one bundle or in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Added,
    Removed,
    Changed,
}

/// A part that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FieldChange {
    pub(super) field: &'static str,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

/// A rule that is not the same.
#[derive(Debug)]
pub(super) struct RuleChange<'a> {
    pub(super) kind: Kind,
    pub(super) old: Option<&'a Rule>,
    pub(super) new: Option<&'a Rule>,
    pub(super) fields: Vec<FieldChange>,
    /// Whether nothing that decides is different.
    pub(super) is_inert: bool,
    /// A rule that it stood behind, and now stands before, or the other way round.
    pub(super) overtaken: Option<&'a Rule>,
}

/// A list that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ListChange {
    pub(super) name: String,
    pub(super) change: Kind,
    /// Values, or addresses' ranges; none where they cannot be told.
    pub(super) added: Option<usize>,
    pub(super) removed: Option<usize>,
}

/// Rules that are not the same, in the order of the new bundle; removed ones last.
pub(super) fn rules<'a>(old: &'a Side<'_>, new: &'a Side<'_>) -> Vec<RuleChange<'a>> {
    let by_id: HashMap<&str, &Rule> = old
        .rules
        .iter()
        .map(|rule| (rule.id.as_str(), rule))
        .collect();
    let new_ids: BTreeSet<&str> = new.rules.iter().map(|rule| rule.id.as_str()).collect();
    let overtaken = overtaken(old, new);
    let mut changes: Vec<RuleChange<'_>> = Vec::new();
    for rule in &new.rules {
        let before = by_id.get(rule.id.as_str()).copied();
        let passed = overtaken.get(rule.id.as_str()).copied();
        match before {
            None => changes.push(only_one(Kind::Added, rule, new)),
            Some(before) => changes.extend(changed(before, rule, passed, (old, new))),
        }
    }
    let gone = old
        .rules
        .iter()
        .filter(|rule| !new_ids.contains(rule.id.as_str()));
    changes.extend(gone.map(|rule| only_one(Kind::Removed, rule, old)));
    changes
}

fn only_one<'a>(kind: Kind, rule: &'a Rule, side: &Side<'_>) -> RuleChange<'a> {
    let texts = [
        ("when", text::formula(&rule.when, &side.names)),
        ("then", text::outcome(rule)),
        ("stage", text::stage(&rule.stage)),
        ("active", text::active(rule.active)),
    ];
    let ordinary = ["enforce", "always"];
    let told = texts
        .into_iter()
        .filter(|(_, text)| !ordinary.contains(&text.as_str()));
    let is_new = kind == Kind::Added;
    let fields = told.map(|(field, text)| FieldChange {
        field,
        old: (!is_new).then(|| text.clone()),
        new: is_new.then_some(text),
    });
    RuleChange {
        kind,
        old: (!is_new).then_some(rule),
        new: is_new.then_some(rule),
        fields: fields.collect(),
        is_inert: false,
        overtaken: None,
    }
}

fn changed<'a>(
    old: &'a Rule,
    new: &'a Rule,
    overtaken: Option<&'a Rule>,
    (old_side, new_side): (&Side<'_>, &Side<'_>),
) -> Option<RuleChange<'a>> {
    let mut fields = Vec::new();
    let mut compare = |field: &'static str, old: Option<String>, new: Option<String>| {
        let differs = old != new;
        if differs {
            fields.push(FieldChange { field, old, new });
        }
        differs
    };
    let when = [(old, old_side), (new, new_side)]
        .map(|(rule, side)| Some(text::formula(&rule.when, &side.names)));
    let [old_when, new_when] = when;
    let same_text = !compare("when", old_when, new_when);
    let mut decides = compare("then", Some(text::outcome(old)), Some(text::outcome(new)));
    decides |= compare(
        "stage",
        Some(text::stage(&old.stage)),
        Some(text::stage(&new.stage)),
    );
    decides |= compare(
        "active",
        Some(text::active(old.active)),
        Some(text::active(new.active)),
    );
    for (field, of) in PROVENANCE {
        let told = [old, new].map(|rule| rule.provenance.as_ref().and_then(of));
        let [old, new] = told;
        compare(field, old, new);
    }
    if same_text && old.when != new.when {
        fields.push(FieldChange {
            field: "values",
            old: None,
            new: Some(
                "not the same, of a list or of a test that is too long to be shown".to_owned(),
            ),
        });
    }
    if let Some(other) = overtaken {
        fields.push(FieldChange {
            field: "order",
            old: Some(order(old, old_side, other)),
            new: Some(order(new, new_side, other)),
        });
    }
    let is_inert = !decides && overtaken.is_none() && are_same(&old.when, &new.when);
    (!fields.is_empty()).then_some(RuleChange {
        kind: Kind::Changed,
        old: Some(old),
        new: Some(new),
        fields,
        is_inert,
        overtaken,
    })
}

/// Of whom and what a rule is, and whether it is told.
type OfProvenance = fn(&crate::lower::RuleProvenance) -> Option<String>;

const PROVENANCE: [(&str, OfProvenance); 5] = [
    ("description", |rule| rule.description.clone()),
    ("owner", |rule| rule.owner.clone()),
    ("ticket", |rule| rule.ticket.clone()),
    ("severity", |rule| rule.severity.clone()),
    ("tags", |rule| {
        Some(rule.tags.join(", ")).filter(|tags| !tags.is_empty())
    }),
];

fn order(rule: &Rule, side: &Side<'_>, other: &Rule) -> String {
    let other = side.rules.iter().find(|own| own.id == other.id);
    let is_before = other.is_some_and(|other| rule.rank < other.rank);
    let id = other.map(|other| other.id.as_str()).unwrap_or_default();
    format!("{} {id}", if is_before { "before" } else { "behind" })
}

/// Rules whose place among those of both bundles is another, each with one that it changed places with. As few rules as can
/// be are said to have moved.
fn overtaken<'a>(old: &'a Side<'_>, new: &'a Side<'_>) -> HashMap<&'a str, &'a Rule> {
    let ranks: HashMap<&str, u32> = old
        .rules
        .iter()
        .map(|rule| (rule.id.as_str(), rule.rank))
        .collect();
    let mut common: Vec<(&Rule, u32)> = new
        .rules
        .iter()
        .filter_map(|rule| Some((rule, *ranks.get(rule.id.as_str())?)))
        .collect();
    common.sort_by_key(|(rule, _)| rule.rank);
    let stays = longest_ascent(&common.iter().map(|(_, rank)| *rank).collect::<Vec<_>>());
    let mut moved = HashMap::new();
    for (at, (rule, rank)) in common.iter().enumerate() {
        if stays.contains(&at) {
            continue;
        }
        // The best partner decides something else, so that it matters.
        let swapped = common
            .iter()
            .enumerate()
            .filter(|(other_at, (other, other_rank))| {
                (*other_at < at) != (other_rank < rank) && other.id != rule.id
            });
        let mut swapped = swapped.map(|(_, (other, _))| *other).take(1_000);
        let partner = swapped.find(|other| other.action.is_some() && other.action != rule.action);
        if let Some(partner) = partner.filter(|_| rule.action.is_some()) {
            moved.insert(rule.id.as_str(), partner);
        }
    }
    moved
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

/// Lists that are not the same, by name.
pub(super) fn lists(old: &[List], new: &[List]) -> Vec<ListChange> {
    let by_name = |lists: &[List]| -> BTreeMap<String, Test> {
        let lists = lists.iter();
        lists
            .map(|list| (list.name.clone(), (*list.test).clone()))
            .collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (old.get(name), new.get(name));
        if before == after {
            return None;
        }
        let change = match (before, after) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        };
        Some(ListChange {
            name: name.clone(),
            change,
            added: more(after, before),
            removed: more(before, after),
        })
    });
    changes.collect()
}

/// How many values the one has that the other has not.
fn more(one: Option<&Test>, other: Option<&Test>) -> Option<usize> {
    let strings = |test: Option<&Test>| match test {
        None => Some(BTreeSet::new()),
        Some(Test::OneOf(values)) => Some(values.iter().cloned().collect()),
        Some(_) => None,
    };
    let ranges = |test: Option<&Test>| -> Option<BTreeSet<AddressRange>> {
        match test {
            None => Some(BTreeSet::new()),
            Some(Test::Networks(ranges)) => Some(ranges.iter().copied().collect()),
            Some(_) => None,
        }
    };
    let of_strings = || {
        let (one, other): (BTreeSet<Vec<u8>>, _) = (strings(one)?, strings(other)?);
        Some(one.difference(&other).count())
    };
    let of_ranges = || Some(ranges(one)?.difference(&ranges(other)?).count());
    of_strings().or_else(of_ranges)
}

/// Counters that are not the same, by name.
pub(super) fn counters(old: &Side<'_>, new: &Side<'_>) -> Vec<(String, Kind)> {
    let of = |side: &Side<'_>| -> BTreeMap<String, [u8; 16]> {
        let names = side.ruleset.counter_names().map(str::to_owned);
        let definitions = side.ruleset.counters().iter();
        names
            .zip(definitions.map(|counter| counter.identity))
            .collect()
    };
    let (old, new) = (of(old), of(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = names
        .into_iter()
        .filter_map(|name| match (old.get(name), new.get(name)) {
            (None, _) => Some((name.clone(), Kind::Added)),
            (_, None) => Some((name.clone(), Kind::Removed)),
            (before, after) => (before != after).then(|| (name.clone(), Kind::Changed)),
        });
    changes.collect()
}

/// What of the policy is not the same.
pub(super) fn policy(old: &Side<'_>, new: &Side<'_>) -> Vec<FieldChange> {
    let told = |side: &Side<'_>| {
        let ruleset = side.ruleset;
        let action = |found: Option<riskgate_engine::actions::Action>| {
            let action = found.and_then(|found| resolve::action(ruleset, &found));
            action.map_or_else(String::new, |action| text::action(&action))
        };
        let bands = ruleset.bands().map(|band| {
            let then = action(ruleset.action(band.action));
            format!("{} or more: {then}", band.at_least)
        });
        let on_expired = match ruleset.on_expired() {
            riskgate_engine::bundle::OnExpired::Keep => "keep",
            riskgate_engine::bundle::OnExpired::Allow => "allow",
            riskgate_engine::bundle::OnExpired::Deny => "deny",
        };
        [
            ("default", action(ruleset.default_action())),
            ("score_bands", bands.collect::<Vec<_>>().join("; ")),
            ("on_expired", on_expired.to_owned()),
        ]
    };
    let pairs = told(old).into_iter().zip(told(new));
    pairs
        .filter(|((_, old), (_, new))| old != new)
        .map(|((field, old), (_, new))| FieldChange {
            field,
            old: Some(old),
            new: Some(new),
        })
        .collect()
}
