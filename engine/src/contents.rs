//! What a loaded ruleset holds beside its conditions: for tools that compare bundles. No decision runs through here.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::actions::{Action, TemplatePart};
use crate::atoms::AtomId;
use crate::attributes::AttributeId;
use crate::counters::CounterStore;
use crate::evaluate::Scratch;
use crate::lists::List;
use crate::policy::Band;
use crate::request::Request;
use crate::rules::Rule;
use crate::ruleset::Ruleset;
use crate::strings::StringId;

/// The first and the last address of a network; both count.
pub type AddressRange = (IpAddr, IpAddr);

/// The values of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListContents<'a> {
    /// In no order that means anything.
    Strings(Vec<&'a [u8]>),
    /// None overlaps another; of many, some may be split.
    Networks(Vec<AddressRange>),
    /// What remains of its values cannot be told, but only asked for.
    Approximate(&'a [u8]),
}

impl Ruleset {
    /// The headers of an action's reply.
    pub fn action_headers(&self, action: &Action) -> impl Iterator<Item = (StringId, StringId)> {
        self.sections.actions.headers(action)
    }

    /// The template of a redirect.
    pub fn action_template(&self, action: &Action) -> impl Iterator<Item = TemplatePart> {
        self.sections.actions.template(action)
    }

    /// The action when nothing decides.
    #[must_use]
    pub fn default_action(&self) -> Option<Action> {
        let policy = &self.sections.policy;
        self.action(policy.default_action())
    }

    /// The score bands, highest first.
    pub fn bands(&self) -> impl Iterator<Item = Band> {
        self.sections.policy.bands()
    }

    /// Name and value of each tag of a rule.
    pub fn rule_tags(&self, rule: &Rule) -> impl Iterator<Item = (StringId, StringId)> {
        self.sections.rules.tags(rule)
    }

    /// Of a rule at stage canary, the share of its matches that is enforced, in hundredths of a percent, and its keys.
    #[must_use]
    pub fn canary(&self, rule: u32) -> Option<(u32, Vec<AttributeId>)> {
        let canaries = &self.sections.canaries;
        let canary = canaries.of_rule(rule)?;
        Some((canary.share, canaries.keys(&canary).collect()))
    }

    /// Where the condition starts under which a counter counts, and the attributes that its key is made of.
    #[must_use]
    pub fn counter_condition(&self, index: usize) -> Option<(u32, &[AttributeId])> {
        let counters = &self.sections.counters;
        let planned = counters.planned.get(index)?;
        Some((planned.entry, counters.tuples.get(planned.key)?))
    }

    /// The values of each list.
    pub fn lists(&self) -> impl Iterator<Item = ListContents<'_>> {
        (0..)
            .map_while(|index| self.sections.list(index))
            .map(List::contents)
    }

    /// The networks of a set that stands in a condition.
    #[must_use]
    pub fn networks(&self, index: u32) -> Vec<AddressRange> {
        let set = self.sections.prefix_set(index);
        set.map(|set| set.ranges().collect()).unwrap_or_default()
    }

    /// The automaton of a pattern, as section `dfas` lays it out.
    #[must_use]
    pub fn automaton(&self, index: u32) -> &[u8] {
        let dfa = self.sections.dfa(index);
        dfa.map(|dfa| dfa.bytes()).unwrap_or_default()
    }

    /// As [`Ruleset::trace_atoms`], of some atoms only.
    pub fn truths(
        &self,
        request: &Request<'_>,
        store: &mut dyn CounterStore,
        scratch: &mut Scratch,
        atoms: &[AtomId],
    ) -> Vec<bool> {
        self.ask(request, store, scratch, |evaluation| {
            atoms.iter().map(|atom| evaluation.is_true(*atom)).collect()
        })
    }
}
