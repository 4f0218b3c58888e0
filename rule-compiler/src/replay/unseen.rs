//! What rulesets read and no request of the traffic says: rules over it are replayed as if no request had it.

use std::collections::BTreeMap;

use riskgate_engine::attributes::{Base, NO_KEY};
use riskgate_engine::ruleset::Ruleset;

use super::Plan;
use crate::explain::attribute_name;
use crate::request_json::OwnedRequest;

/// What was not seen yet.
pub(super) struct Unseen(Vec<Wanted>);

struct Wanted {
    base: Base,
    key: Vec<u8>,
    name: String,
}

impl Unseen {
    pub(super) fn of(plan: &Plan<'_>) -> Unseen {
        let rulesets = plan.baseline.into_iter().chain([plan.ruleset]);
        let all: BTreeMap<(Base, Vec<u8>), String> = rulesets.flat_map(read_by).collect();
        let wanted = all.into_iter();
        Unseen(
            wanted
                .map(|((base, key), name)| Wanted { base, key, name })
                .collect(),
        )
    }

    /// What was seen once is not looked for again.
    pub(super) fn look_at(&mut self, request: &OwnedRequest) {
        self.0
            .retain(|wanted| !request.says(wanted.base, &wanted.key));
    }

    /// The names of what none of them saw.
    pub(super) fn by_all<'u>(mut all: impl Iterator<Item = &'u Unseen>) -> Vec<String> {
        let first = all.next().map_or_else(Vec::new, Unseen::names);
        all.map(Unseen::names).fold(first, |mut names, others| {
            names.retain(|name| others.contains(name));
            names
        })
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|wanted| wanted.name.clone()).collect()
    }
}

/// Every attribute once, whatever transforms stand behind it.
fn read_by(ruleset: &Ruleset) -> impl Iterator<Item = ((Base, Vec<u8>), String)> {
    let attributes = (0..).map_while(|id| ruleset.attribute(id));
    attributes.map(|attribute| {
        let key = Some(attribute.key).filter(|key| *key != NO_KEY);
        let key = key.map_or_else(Vec::new, |key| ruleset.string(key).to_vec());
        let name = attribute_name(ruleset, attribute);
        ((attribute.base, key), name)
    })
}
