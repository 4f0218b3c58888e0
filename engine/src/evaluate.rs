//! One decision: which rules match a request.
//!
//! A rule is looked at only if one of its access predicates is true. Exact ones are found by looking the request's
//! values up; the others are evaluated. What is left of each candidate's condition is walked lazily, and no atom is
//! evaluated twice for a request.

use alloc::vec::Vec;
use core::net::IpAddr;

use memchr::memmem;

use crate::atoms::{Atom, AtomId, Test, View};
use crate::attributes::{Base, ValueKind};
use crate::derive::Values;
use crate::number::{Number, parse_double, parse_int};
use crate::request::Request;
use crate::rules::Stage;
use crate::ruleset::Sections;
use crate::strings::StringId;

/// What is known of an atom for this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Truth {
    #[default]
    Unknown,
    False,
    True,
}

/// Working memory of decisions. One serves any number of requests and rulesets, one at a time, and stops allocating
/// once it has seen requests as large as they come.
#[derive(Debug, Default)]
pub struct Scratch {
    values: Values,
    truths: Vec<Truth>,
    touched_atoms: Vec<AtomId>,
    is_candidate: Vec<bool>,
    candidates: Vec<u32>,
    /// Enforced matches, in source order.
    pub(crate) matched: Vec<u32>,
    /// The other matches, in source order.
    pub(crate) shadowed: Vec<u32>,
    /// Enforced matches in the order of decision.
    pub(crate) by_rank: Vec<(u32, u32)>,
    /// Name, place in the order of decision and value, in that order; each name once.
    pub(crate) tags: Vec<(StringId, u32, StringId)>,
}

impl Scratch {
    /// Forgets the last request; what is sized by the ruleset is only cleared where it was touched.
    fn clear(&mut self, sections: &Sections) {
        for atom in self.touched_atoms.drain(..) {
            if let Some(truth) = self.truths.get_mut(atom as usize) {
                *truth = Truth::Unknown;
            }
        }
        for rule in self.candidates.drain(..) {
            if let Some(flag) = self.is_candidate.get_mut(rule as usize) {
                *flag = false;
            }
        }
        self.truths
            .resize(sections.atoms.count() as usize, Truth::Unknown);
        self.is_candidate
            .resize(sections.rules.count() as usize, false);
        self.values.clear(sections.attributes.count());
        self.matched.clear();
        self.shadowed.clear();
        self.by_rank.clear();
        self.tags.clear();
    }
}

/// Fills `matched` and `shadowed` of the scratch.
pub(crate) fn evaluate(sections: &Sections, request: &Request<'_>, scratch: &mut Scratch) {
    scratch.clear(sections);
    let mut evaluation = Evaluation {
        sections,
        request,
        scratch,
    };
    evaluation.look_up_exact();
    evaluation.scan();
    for rule in sections.policy.always() {
        evaluation.add_candidate(rule);
    }
    evaluation.check_candidates();
    evaluation.collect_tags();
}

struct Evaluation<'a> {
    sections: &'a Sections,
    request: &'a Request<'a>,
    scratch: &'a mut Scratch,
}

impl Evaluation<'_> {
    fn look_up_exact(&mut self) {
        let sections = self.sections;
        for id in sections.exact.attributes() {
            let Some(attribute) = sections.attributes.get(id) else {
                continue;
            };
            self.scratch
                .values
                .derive(id, attribute, self.request, &sections.strings);
            let Scratch {
                values,
                truths,
                touched_atoms,
                is_candidate,
                candidates,
                ..
            } = self.scratch;
            for value in values.get(id) {
                for atom in sections.exact.lookup(id, value, &sections.strings) {
                    if mark(truths, touched_atoms, atom, Truth::True) {
                        add_postings(sections, atom, is_candidate, candidates);
                    }
                }
            }
        }
    }

    fn scan(&mut self) {
        for atom in self.sections.policy.scanned() {
            if self.is_true(atom) {
                let Scratch {
                    is_candidate,
                    candidates,
                    ..
                } = self.scratch;
                add_postings(self.sections, atom, is_candidate, candidates);
            }
        }
    }

    fn add_candidate(&mut self, rule: u32) {
        let Scratch {
            is_candidate,
            candidates,
            ..
        } = self.scratch;
        add_candidate(rule, is_candidate, candidates);
    }

    fn check_candidates(&mut self) {
        let sections = self.sections;
        let mut candidates = core::mem::take(&mut self.scratch.candidates);
        candidates.sort_unstable();
        for &index in &candidates {
            let Some(rule) = sections.rules.get(index) else {
                continue;
            };
            let matches = rule.is_active(self.request.time_us)
                && sections.programs.run(rule.entry, |atom| self.is_true(atom));
            match rule.stage {
                _ if !matches => {}
                Stage::Enforce => {
                    self.scratch.matched.push(index);
                    self.scratch.by_rank.push((rule.rank, index));
                }
                Stage::Shadow => self.scratch.shadowed.push(index),
            }
        }
        self.scratch.by_rank.sort_unstable();
        self.scratch.candidates = candidates;
    }

    /// Of several values for one name the first in the order of decision stands.
    fn collect_tags(&mut self) {
        let rules = &self.sections.rules;
        let Scratch { by_rank, tags, .. } = self.scratch;
        let matched = by_rank.iter().filter_map(|(_, index)| rules.get(*index));
        let all = matched.flat_map(|rule| rules.tags(&rule));
        tags.extend(
            (0..)
                .zip(all)
                .map(|(place, (name, value))| (name, place, value)),
        );
        tags.sort_unstable();
        tags.dedup_by_key(|(name, ..)| *name);
        tags.sort_unstable_by_key(|(_, place, _)| *place);
    }

    fn is_true(&mut self, id: AtomId) -> bool {
        match self.scratch.truths.get(id as usize) {
            Some(Truth::True) => return true,
            Some(Truth::False) | None => return false,
            Some(Truth::Unknown) => {}
        }
        let truth = match self.sections.atoms.get(id) {
            Some(atom) if self.test(&atom) => Truth::True,
            _ => Truth::False,
        };
        let Scratch {
            truths,
            touched_atoms,
            ..
        } = self.scratch;
        mark(truths, touched_atoms, id, truth);
        truth == Truth::True
    }

    fn test(&mut self, atom: &Atom) -> bool {
        let Some(attribute) = self.sections.attributes.get(atom.attribute) else {
            return false;
        };
        match attribute.base.kind() {
            ValueKind::Bytes => {
                let strings = &self.sections.strings;
                self.scratch
                    .values
                    .derive(atom.attribute, attribute, self.request, strings);
                self.test_bytes(atom)
            }
            ValueKind::Ip => self.test_address(atom, attribute.base),
            ValueKind::Time => match atom.test {
                Test::Compare(comparison, number) => {
                    comparison.holds(Number::Int(self.request.time_us), number)
                }
                Test::Present => true,
                _ => false,
            },
            ValueKind::Bool => match (atom.test, self.request.mtls) {
                (Test::Present, value) => value.is_some(),
                (Test::IsTrue, value) => value == Some(true),
                (Test::IsFalse, value) => value == Some(false),
                _ => false,
            },
        }
    }

    fn test_bytes(&self, atom: &Atom) -> bool {
        let mut values = self.scratch.values.get(atom.attribute);
        match atom.view {
            View::Value => values.any(|value| self.test_value(atom.test, value)),
            View::Size => {
                values.len() > 0 && test_number(atom.test, Number::Int(length(values.len())))
            }
            View::Length => {
                values.any(|value| test_number(atom.test, Number::Int(length(value.len()))))
            }
            View::Int => values
                .filter_map(parse_int)
                .any(|value| test_number(atom.test, Number::Int(value))),
            View::Double => values
                .filter_map(parse_double)
                .any(|value| test_number(atom.test, Number::Double(value))),
        }
    }

    fn test_value(&self, test: Test, value: &[u8]) -> bool {
        let sections = self.sections;
        match test {
            Test::Present => true,
            Test::InList(list) => sections
                .list(list)
                .is_some_and(|list| list.contains_bytes(value)),
            Test::StartsWith(string) => value.starts_with(sections.strings.get(string)),
            Test::EndsWith(string) => value.ends_with(sections.strings.get(string)),
            Test::Contains(string) => memmem::find(value, sections.strings.get(string)).is_some(),
            Test::Matches(dfa) => sections.dfa(dfa).is_some_and(|dfa| dfa.is_match(value)),
            // Every atom of this kind that holds was found when the values were looked up.
            Test::OneOf => false,
            Test::IsTrue | Test::IsFalse | Test::InPrefixes(_) | Test::Compare(..) => false,
        }
    }

    fn test_address(&self, atom: &Atom, base: Base) -> bool {
        let address = match base {
            Base::SourceIp => self.request.source_ip,
            _ => self.request.client_ip,
        };
        address.is_some_and(|address| self.holds_address(atom.test, address))
    }

    fn holds_address(&self, test: Test, address: IpAddr) -> bool {
        match test {
            Test::Present => true,
            Test::InList(list) => self
                .sections
                .list(list)
                .is_some_and(|list| list.contains_address(address)),
            Test::InPrefixes(set) => self
                .sections
                .prefix_set(set)
                .is_some_and(|set| set.contains(address)),
            _ => false,
        }
    }
}

/// Notes what is known of an atom. False if that was known before.
fn mark(truths: &mut [Truth], touched: &mut Vec<AtomId>, atom: AtomId, truth: Truth) -> bool {
    match truths.get_mut(atom as usize) {
        Some(known) if *known == Truth::Unknown => {
            *known = truth;
            touched.push(atom);
            true
        }
        _ => false,
    }
}

fn add_postings(
    sections: &Sections,
    atom: AtomId,
    is_candidate: &mut [bool],
    candidates: &mut Vec<u32>,
) {
    if let Some(atom) = sections.atoms.get(atom) {
        for rule in sections.atoms.postings(&atom) {
            add_candidate(rule, is_candidate, candidates);
        }
    }
}

fn add_candidate(rule: u32, is_candidate: &mut [bool], candidates: &mut Vec<u32>) {
    if let Some(flag) = is_candidate.get_mut(rule as usize).filter(|flag| !**flag) {
        *flag = true;
        candidates.push(rule);
    }
}

fn test_number(test: Test, value: Number) -> bool {
    match test {
        Test::Present => true,
        Test::Compare(comparison, number) => comparison.holds(value, number),
        _ => false,
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
