//! What a decision does with the body: find out whether it matters, and look it up if so.

use super::{Evaluation, Scratch};
use crate::attributes::Base;
use crate::body::Readings;
use crate::program::Reached;

impl Evaluation<'_> {
    /// The ways of reading the body that the verdict, or what is counted, may depend on, once all else was looked up.
    pub(super) fn readings(&mut self) -> Readings {
        let sections = self.sections;
        let all = &sections.body_rules;
        let mut readings = Readings::default();
        if !all.readings.is_any() {
            return readings;
        }
        for (index, of_parts) in &all.of_counters {
            self.add_counter(*index, *of_parts, &mut readings);
        }
        let candidates = core::mem::take(&mut self.scratch.known.candidates);
        let true_atoms = core::mem::take(&mut self.scratch.known.true_atoms);
        let known = candidates.indices().iter().copied();
        for rule in known.filter(|rule| all.has(*rule)) {
            if readings == all.readings {
                break;
            }
            self.add_rule(rule, &mut readings);
        }
        for way in all.let_in_by_body(&true_atoms) {
            if !readings.cover(way.readings) {
                self.add_rule(way.rule, &mut readings);
            }
        }
        self.scratch.known.candidates = candidates;
        self.scratch.known.true_atoms = true_atoms;
        readings
    }

    /// A rule asks for the body if it can match and can fail to, and if its canary does and it can match.
    fn add_rule(&mut self, rule: u32, readings: &mut Readings) {
        let sections = self.sections;
        let Some(entry) = sections.rules.entry_at(rule, self.from.request.time_us) else {
            return;
        };
        let reached = self.explore(entry, readings);
        if reached.accept {
            *readings |= sections.body_rules.of_canary(rule).unwrap_or_default();
        }
    }

    /// A counter asks for the body if its condition does, and if its key does and it may count.
    fn add_counter(&mut self, index: u32, of_parts: Readings, readings: &mut Readings) {
        let sections = self.sections;
        let Some(counter) = sections.counters.planned.get(index as usize) else {
            return;
        };
        let reached = self.explore(counter.entry, readings);
        if reached.accept {
            *readings |= of_parts;
        }
    }

    /// Where a condition can end while the body and the response are not known. If it can end in both ways, what it reads
    /// of the body is added.
    fn explore(&mut self, entry: u32, readings: &mut Readings) -> Reached {
        let sections = self.sections;
        let mut of_condition = Readings::default();
        let mut open = core::mem::take(&mut self.scratch.open);
        let reached = sections.programs.explore(entry, &mut open, |atom| {
            match sections.body_rules.of_atom(atom) {
                Some(of_atom) => {
                    of_condition |= of_atom;
                    None
                }
                None if self.is_of_response(atom) => None,
                None => Some(self.is_true(atom)),
            }
        });
        self.scratch.open = open;
        if reached.accept && reached.reject {
            *readings |= of_condition;
        }
        reached
    }

    fn is_of_response(&self, atom: u32) -> bool {
        let sections = self.sections;
        let atom = sections.atoms.get(atom);
        let attribute = atom.and_then(|atom| sections.attributes.get(atom.attribute));
        attribute.is_some_and(|attribute| attribute.base.is_of_response())
    }

    /// Looks up the body, if it is here.
    pub(super) fn read_body(&mut self) {
        if self.from.request.body.is_none() || !self.sections.body_rules.readings.is_any() {
            return;
        }
        self.scratch.wants_json = self.readings().json;
        for base in [Base::BodyJson, Base::BodyForm] {
            // Also where only walks of conditions read it: whether it can be read does not depend on which are walked.
            self.scratch.values.sort_fields(base, &self.from);
            self.look_up_names(base);
        }
        self.pair();
    }
}

impl Scratch {
    /// What reads the body without need does not count.
    pub(crate) fn has_malformed_body(&self) -> bool {
        self.wants_json && self.values.is_json_malformed
    }
}
