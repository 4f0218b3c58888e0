//! What is different in the rules, lists, counters and policy of two bundles, before any request is asked about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use riskgate_engine::contents::AddressRange;
use serde::Serialize;

use super::order::{self, Moved};
use super::resolve::{self, Counter, List, Rule, Side, Staged, Test};
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
    /// Whether its condition, and all that a match does, are the same.
    pub(super) acts_alike: bool,
    /// Rules that it stood behind, and now stands before, or the other way round.
    pub(super) moved: Option<Moved<'a>>,
}

impl RuleChange<'_> {
    /// Whether nothing that decides is different.
    pub(super) fn is_inert(&self) -> bool {
        self.acts_alike && self.moved.is_none()
    }

    /// Whether a rule that decides, or reaches a score band, is there at all.
    pub(super) fn has_action(&self) -> bool {
        let sides = [self.old, self.new];
        sides.iter().flatten().any(|rule| rule.action.is_some())
    }

    /// Whether clients may get another answer; otherwise verdicts differ in other parts at most.
    pub(super) fn may_flip(&self, has_bands: bool) -> bool {
        let answers = |rule: &Rule| {
            let scores = has_bands && rule.score.is_some();
            rule.stage != Staged::Shadow && (rule.action.is_some() || scores)
        };
        let sides = [self.old, self.new];
        if self.moved.as_ref().is_some_and(|moved| moved.may_flip) {
            return true;
        }
        if !sides.iter().flatten().any(|rule| answers(rule)) {
            return false;
        }
        let Some((old, new)) = self.old.zip(self.new) else {
            return true;
        };
        let of = |rule: &Rule| (rule.stage.clone(), rule.active, rule.action.clone());
        let scores_differ = has_bands && old.score != new.score;
        scores_differ || of(old) != of(new) || !are_same(&old.when, &new.when)
    }
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
    let mut moved = order::moved(&old.rules, &new.rules);
    let mut changes: Vec<RuleChange<'_>> = Vec::new();
    for rule in &new.rules {
        let before = by_id.get(rule.id.as_str()).copied();
        let moved = moved.remove(rule.id.as_str());
        match before {
            None => changes.push(only_one(Kind::Added, rule, new)),
            Some(before) => changes.extend(changed(before, rule, moved, (old, new))),
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
        acts_alike: false,
        moved: None,
    }
}

fn changed<'a>(
    old: &'a Rule,
    new: &'a Rule,
    moved: Option<Moved<'a>>,
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
            new: Some(text::unshown(&old.when, &new.when)),
        });
    }
    let order = moved
        .as_ref()
        .map(|moved| order_field(moved, (old, old_side), (new, new_side)));
    fields.extend(order);
    let acts_alike = !decides && are_same(&old.when, &new.when);
    (!fields.is_empty()).then_some(RuleChange {
        kind: Kind::Changed,
        old: Some(old),
        new: Some(new),
        fields,
        acts_alike,
        moved,
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

fn order_field(
    moved: &Moved<'_>,
    (old, old_side): (&Rule, &Side<'_>),
    (new, new_side): (&Rule, &Side<'_>),
) -> FieldChange {
    let other = moved.passed.first();
    let told = |rule, side| other.map(|other| order(rule, side, other));
    let untold = || "not the same; more rules changed places than are compared".to_owned();
    FieldChange {
        field: "order",
        old: told(old, old_side),
        new: told(new, new_side).or_else(|| Some(untold())),
    }
}

fn order(rule: &Rule, side: &Side<'_>, other: &Rule) -> String {
    let other = side.rules.iter().find(|own| own.id == other.id);
    let is_before = other.is_some_and(|other| rule.rank < other.rank);
    let id = other.map(|other| other.id.as_str()).unwrap_or_default();
    format!("{} {id}", if is_before { "before" } else { "behind" })
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
    let of = |side: &Side<'_>| -> BTreeMap<String, Rc<Counter>> {
        let counters = side.counters.iter();
        counters
            .map(|counter| (counter.name.clone(), Rc::clone(counter)))
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
