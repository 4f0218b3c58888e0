//! Rules: their programs, access predicates, ranks and tags.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use riskgate_engine::atoms::AtomId;
use riskgate_engine::program::Node;
use riskgate_engine::rules::{self, NO_ACTION, Rule, Stage};
use riskgate_engine::strings::StringId;

use super::access;
use super::actions::Actions;
use super::condition::{Formula, emit};
use super::intern::{Interner, index};
use crate::ir::{self, Ruleset};

/// The lowered rules.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) section: Vec<u8>,
    pub(super) nodes: Vec<Node>,
    /// For each access predicate the rules that it gives access to.
    pub(super) postings: BTreeMap<AtomId, Vec<u32>>,
    /// Rules without access predicates.
    pub(super) always: Vec<u32>,
}

pub(super) fn lower(ruleset: &Ruleset, actions: &Actions, interner: &mut Interner) -> Rules {
    let mut lowered = Rules::default();
    let mut records = Vec::with_capacity(ruleset.rules.len());
    let mut tags: Vec<(StringId, StringId)> = Vec::new();
    let ranks = ranks(ruleset);
    for (position, rule) in ruleset.rules.iter().enumerate() {
        let formula = Formula::new(&rule.when, interner);
        let entry = emit(&formula, &mut lowered.nodes);
        lowered.give_access(index(position), &formula);
        let own_tags = intern_tags(rule, interner);
        records.push(Rule {
            id: interner.strings.intern(rule.id.as_bytes()),
            entry,
            rank: ranks.get(position).copied().unwrap_or_default(),
            stage: match rule.stage {
                ir::Stage::Enforce => Stage::Enforce,
                ir::Stage::Shadow => Stage::Shadow,
            },
            score: rule.then.score,
            action: actions
                .of_rules
                .get(position)
                .copied()
                .flatten()
                .unwrap_or(NO_ACTION),
            tags: (index(tags.len()), index(own_tags.len())),
            from_us: rule.active.from_us.unwrap_or(i64::MIN),
            until_us: rule.active.until_us.unwrap_or(i64::MAX),
        });
        tags.extend(own_tags);
    }
    lowered.section = rules::write(&records, &tags);
    lowered
}

impl Rules {
    fn give_access(&mut self, rule: u32, formula: &Formula) {
        let Some(access) = access::choose(formula) else {
            self.always.push(rule);
            return;
        };
        for atom in access.atoms {
            self.postings.entry(atom).or_default().push(rule);
        }
    }
}

/// Each rule's place in the order of decision: by priority, then in source order.
fn ranks(ruleset: &Ruleset) -> Vec<u32> {
    let mut order: Vec<usize> = (0..ruleset.rules.len()).collect();
    order.sort_by_key(|&position| Reverse(ruleset.rules.get(position).map(|rule| rule.priority)));
    let mut ranks = vec![0; order.len()];
    for (rank, position) in order.into_iter().enumerate() {
        if let Some(slot) = ranks.get_mut(position) {
            *slot = index(rank);
        }
    }
    ranks
}

fn intern_tags(rule: &ir::Rule, interner: &mut Interner) -> Vec<(StringId, StringId)> {
    let strings = &mut interner.strings;
    rule.then
        .tags
        .iter()
        .map(|(name, value)| {
            (
                strings.intern(name.as_bytes()),
                strings.intern(value.as_bytes()),
            )
        })
        .collect()
}
