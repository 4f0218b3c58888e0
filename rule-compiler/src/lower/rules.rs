//! Rules: their programs, access predicates, ranks and tags.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use riskgate_engine::atoms::AtomId;
use riskgate_engine::attributes::AttributeId;
use riskgate_engine::canaries::{self, Canary};
use riskgate_engine::pairs::{self, Filed};
use riskgate_engine::program::Node;
use riskgate_engine::rules::{self, NO_ACTION, Rule, Stage};
use riskgate_engine::strings::StringId;

use super::access::{self, Key};
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
    /// For each pair of them the rules that both together give access to.
    pub(super) pairs: BTreeMap<(AtomId, AtomId), Vec<u32>>,
    /// Rules without access predicates.
    pub(super) always: Vec<u32>,
    canaries: Vec<Canary>,
    canary_keys: Vec<AttributeId>,
}

pub(super) fn lower(ruleset: &Ruleset, actions: &Actions, interner: &mut Interner<'_>) -> Rules {
    let mut lowered = Rules::default();
    let mut records = Vec::with_capacity(ruleset.rules.len());
    let mut tags: Vec<(StringId, StringId)> = Vec::new();
    let ranks = ranks(ruleset);
    let conditions = ruleset.rules.iter().map(|rule| &rule.when);
    let formulas: Vec<Formula> = conditions
        .map(|condition| Formula::new(condition, interner))
        .collect();
    let keys = access::choose(&formulas, &interner.weights(&formulas));
    for (rule, keys) in (0..).zip(keys) {
        lowered.give_access(rule, keys);
    }
    for (position, (rule, formula)) in ruleset.rules.iter().zip(&formulas).enumerate() {
        let entry = emit(formula, &mut lowered.nodes);
        let own_tags = intern_tags(rule, interner);
        records.push(Rule {
            id: interner.strings.intern(rule.id.as_bytes()),
            entry,
            rank: ranks.get(position).copied().unwrap_or_default(),
            stage: lowered.stage(index(position), &rule.stage, interner),
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
    fn give_access(&mut self, rule: u32, keys: Option<Vec<Key>>) {
        let Some(keys) = keys else {
            self.always.push(rule);
            return;
        };
        for key in keys {
            match key {
                Key::One(atom) => self.postings.entry(atom).or_default().push(rule),
                Key::Pair(a, b) => self.pairs.entry((a, b)).or_default().push(rule),
            }
        }
    }

    fn stage(&mut self, rule: u32, stage: &ir::Stage, interner: &mut Interner<'_>) -> Stage {
        match stage {
            ir::Stage::Enforce => Stage::Enforce,
            ir::Stage::Shadow => Stage::Shadow,
            ir::Stage::Canary(ir::Canary { share, by }) => {
                self.canaries.push(Canary {
                    rule,
                    share: (*share).into(),
                    keys: (index(self.canary_keys.len()), index(by.len())),
                });
                let keys = by.iter().map(|key| interner.attribute(key));
                self.canary_keys.extend(keys);
                Stage::Canary
            }
        }
    }

    /// The section of the canaries, if there are any.
    pub(super) fn canaries_section(&self) -> Option<Vec<u8>> {
        let is_any = !self.canaries.is_empty();
        is_any.then(|| canaries::write(&self.canaries, &self.canary_keys))
    }

    /// The atoms that have to be known before any rule is looked at.
    pub(super) fn access_atoms(&self) -> BTreeSet<AtomId> {
        let ones = self.postings.keys().copied();
        let paired = self.pairs.keys().flat_map(|&(a, b)| [a, b]);
        ones.chain(paired).collect()
    }

    /// The section of the pairs.
    pub(super) fn pairs_section(&self) -> Vec<u8> {
        let (mut firsts, mut seconds) = (Vec::<Filed>::new(), Vec::new());
        let mut rules: Vec<u32> = Vec::new();
        for (&(first, second), own) in &self.pairs {
            match firsts.last_mut() {
                Some(last) if last.atom == first => last.slice.1 += 1,
                _ => firsts.push(Filed {
                    atom: first,
                    slice: (index(seconds.len()), 1),
                }),
            }
            seconds.push(Filed {
                atom: second,
                slice: (index(rules.len()), index(own.len())),
            });
            rules.extend(own);
        }
        pairs::write(&firsts, &seconds, &rules)
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

fn intern_tags(rule: &ir::Rule, interner: &mut Interner<'_>) -> Vec<(StringId, StringId)> {
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
