//! What is different, for people and machines.

use serde::Serialize;
use serde_json::Value;

use super::resolve::Side;
use super::structure::{self, FieldChange, Kind, ListChange, RuleChange};
use super::witness::{Search, Witness};
use crate::verdict_json::VerdictJson;

mod human;

/// What of the policy holds once the bundle has expired.
const ON_EXPIRED: &str = "on_expired";

/// What is different. The JSON form is stable: keys are added, never renamed.
#[derive(Debug, Serialize)]
pub struct Report {
    old: Identity,
    new: Identity,
    rules: Vec<RuleReport>,
    lists: Vec<ListChange>,
    counters: Vec<CounterReport>,
    policy: Option<PolicyReport>,
    /// How many changes have a witness that is answered otherwise.
    flips: usize,
    /// Of how many without one it is not known whether any request is.
    unknown: usize,
}

#[derive(Debug, Serialize)]
struct Identity {
    ruleset: String,
    /// None of a folder.
    revision: Option<u64>,
    digest: String,
}

/// What a change does to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Effect {
    /// The witness gets another answer.
    Flips,
    /// The witness gets the same answer, and another verdict.
    Differs,
    /// No request can get another verdict.
    None,
    /// No witness was found, which does not say that there is none.
    Unknown,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    id: String,
    change: Kind,
    /// Of the new bundle, or of the old one for a removed rule.
    file: Option<String>,
    line: Option<u32>,
    fields: Vec<FieldChange>,
    effect: Effect,
    /// Whether a request may get another answer, as far as can be told without a witness.
    may_flip: bool,
    witness: Option<WitnessReport>,
}

#[derive(Debug, Serialize)]
struct CounterReport {
    name: String,
    change: Kind,
}

#[derive(Debug, Serialize)]
struct PolicyReport {
    fields: Vec<FieldChange>,
    effect: Effect,
    witness: Option<WitnessReport>,
}

#[derive(Debug, Serialize)]
struct WitnessReport {
    request: Value,
    repeat: u32,
    old: VerdictJson,
    new: VerdictJson,
}

impl Report {
    pub(super) fn new(old: &Side<'_>, new: &Side<'_>) -> Report {
        let changes = structure::rules(old, new);
        let mut search = Search::new(old, new, changes.len() + 1);
        let policy = policy_report(structure::policy(old, new), &mut search);
        let found = witnesses(&changes, &mut search);
        let sides = [old, new];
        let has_bands = sides
            .iter()
            .any(|side| side.ruleset.bands().next().is_some());
        let rules = changes.iter().zip(found);
        let rules: Vec<RuleReport> = rules
            .map(|(change, found)| rule_report(change, found, has_bands))
            .collect();
        let counters = structure::counters(old, new);
        let effects = rules.iter().map(|rule| (rule.effect, rule.may_flip));
        let effects = effects.chain(policy.iter().map(|policy| (policy.effect, true)));
        let flips = effects
            .clone()
            .filter(|(effect, _)| *effect == Effect::Flips);
        let unknown = effects.clone().filter(|(effect, may_flip)| match effect {
            Effect::Unknown => true,
            Effect::Differs => *may_flip,
            Effect::Flips | Effect::None => false,
        });
        Report {
            old: Identity::of(old),
            new: Identity::of(new),
            flips: flips.count(),
            unknown: unknown.count(),
            lists: structure::lists(&old.names.lists, &new.names.lists),
            counters: counters
                .into_iter()
                .map(|(name, change)| CounterReport { name, change })
                .collect(),
            rules,
            policy,
        }
    }

    /// How many changes have a witness that is answered otherwise.
    #[must_use]
    pub fn flips(&self) -> usize {
        self.flips
    }

    /// Of how many changes without such a witness it is not known whether any request is answered otherwise.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// The requests that show what changes, with whether the client gets another answer.
    pub fn witnesses(&self) -> impl Iterator<Item = (&Value, &VerdictJson, &VerdictJson, bool)> {
        let of_rules = self.rules.iter().map(|rule| (&rule.witness, rule.effect));
        let of_policy = self
            .policy
            .iter()
            .map(|policy| (&policy.witness, policy.effect));
        of_rules.chain(of_policy).filter_map(|(witness, effect)| {
            let WitnessReport {
                request, old, new, ..
            } = witness.as_ref()?;
            Some((request, old, new, effect == Effect::Flips))
        })
    }
}

impl Identity {
    fn of(side: &Side<'_>) -> Identity {
        let ruleset = side.ruleset;
        Identity {
            ruleset: ruleset.name().to_owned(),
            revision: side.is_bundle.then(|| ruleset.revision()),
            digest: ruleset.digest().to_string(),
        }
    }
}

/// One place for each change. Rules that decide come first: a witness of theirs takes few questions, and what they leave
/// over is for those that only score.
fn witnesses(changes: &[RuleChange<'_>], search: &mut Search<'_>) -> Vec<Option<Witness>> {
    let mut places: Vec<usize> = (0..changes.len()).collect();
    places.sort_by_key(|place| {
        let change = changes.get(*place);
        !change.is_some_and(|change| change.is_inert() || change.has_action())
    });
    let mut found: Vec<(usize, Option<Witness>)> = Vec::with_capacity(changes.len());
    for place in places {
        let change = changes.get(place);
        found.push((place, change.and_then(|change| search.of_rule(change))));
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, witness)| witness).collect()
}

fn rule_report(change: &RuleChange<'_>, found: Option<Witness>, has_bands: bool) -> RuleReport {
    let rule = change.new.or(change.old);
    let provenance = rule.and_then(|rule| rule.provenance.as_ref());
    let (effect, witness) = told(found, change.is_inert());
    RuleReport {
        id: rule.map(|rule| rule.id.clone()).unwrap_or_default(),
        change: change.kind,
        file: provenance.map(|own| own.file.clone()),
        line: provenance.map(|own| own.line),
        fields: change.fields.clone(),
        effect,
        may_flip: effect == Effect::Flips || change.may_flip(has_bands),
        witness,
    }
}

fn policy_report(fields: Vec<FieldChange>, search: &mut Search<'_>) -> Option<PolicyReport> {
    if fields.is_empty() {
        return None;
    }
    let (expired, others): (Vec<&FieldChange>, Vec<&FieldChange>) =
        fields.iter().partition(|change| change.field == ON_EXPIRED);
    let found = if others.is_empty() {
        None
    } else {
        search.of_policy()
    };
    let (mut effect, mut witness) = told(found, others.is_empty());
    // No request shows it before the bundle has expired, and every one does afterwards.
    if !expired.is_empty() && effect != Effect::Flips {
        (effect, witness) = (Effect::Flips, None);
    }
    Some(PolicyReport {
        fields,
        effect,
        witness,
    })
}

fn told(found: Option<Witness>, is_inert: bool) -> (Effect, Option<WitnessReport>) {
    let effect = match &found {
        Some(found) if found.flips => Effect::Flips,
        Some(_) => Effect::Differs,
        None if is_inert => Effect::None,
        None => Effect::Unknown,
    };
    let witness = found.map(|found| WitnessReport {
        request: found.request,
        repeat: found.repeat,
        old: found.old,
        new: found.new,
    });
    (effect, witness)
}
