//! What is different, for people and machines.

use serde::Serialize;
use serde_json::Value;

use super::resolve::Side;
use super::structure::{self, FieldChange, Kind, ListChange, RuleChange};
use super::witness::{Search, Witness};
use crate::verdict_json::VerdictJson;

mod human;

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
    /// Of how many it is not known whether any request is.
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
        let mut search = Search::new(old, new);
        let rules = structure::rules(old, new);
        let rules: Vec<RuleReport> = rules
            .iter()
            .map(|change| rule_report(change, &mut search))
            .collect();
        let counters = structure::counters(old, new);
        let policy = policy_report(structure::policy(old, new), &mut search);
        let effects = rules.iter().map(|rule| rule.effect);
        let effects = effects.chain(policy.iter().map(|policy| policy.effect));
        let count = |effect: Effect| effects.clone().filter(|own| *own == effect).count();
        Report {
            old: Identity::of(old),
            new: Identity::of(new),
            flips: count(Effect::Flips),
            unknown: count(Effect::Unknown),
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

fn rule_report(change: &RuleChange<'_>, search: &mut Search<'_>) -> RuleReport {
    let rule = change.new.or(change.old);
    let provenance = rule.and_then(|rule| rule.provenance.as_ref());
    let found = if change.is_inert {
        None
    } else {
        found(change, search)
    };
    let (effect, witness) = told(found, change.is_inert);
    RuleReport {
        id: rule.map(|rule| rule.id.clone()).unwrap_or_default(),
        change: change.kind,
        file: provenance.map(|own| own.file.clone()),
        line: provenance.map(|own| own.line),
        fields: change.fields.clone(),
        effect,
        witness,
    }
}

fn found(change: &RuleChange<'_>, search: &mut Search<'_>) -> Option<Witness> {
    let own = search.of_rule(change.old, change.new);
    let by_order = change.new.zip(change.overtaken);
    match by_order {
        Some((rule, other)) if !own.as_ref().is_some_and(|own| own.flips) => {
            search.of_order(rule, other).or(own)
        }
        _ => own,
    }
}

fn policy_report(fields: Vec<FieldChange>, search: &mut Search<'_>) -> Option<PolicyReport> {
    if fields.is_empty() {
        return None;
    }
    // When a bundle has expired, no rule is asked.
    let is_inert = fields.iter().all(|change| change.field == "on_expired");
    let found = if is_inert { None } else { search.of_policy() };
    let (effect, witness) = told(found, is_inert);
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
