//! One decision: which rules match a request.
//!
//! A rule is looked at only if its access predicates are true. Those are found from the request's side: each of its values
//! that some rule knows is looked up once, whatever the number of rules. What is left of each candidate's condition is
//! walked lazily, and no atom is evaluated twice for a request.

mod body;
mod counting;

use alloc::vec::Vec;
use core::net::IpAddr;

use memchr::memmem;

use crate::atoms::{Atom, AtomId, Test, View};
use crate::attributes::{AttributeId, Base, ValueKind};
use crate::canaries::Draw;
use crate::counters::{CounterStore, Pending};
use crate::derive::{Inputs, Values};
use crate::literals::Found;
use crate::number::{Number, parse_double, parse_int};
use crate::ranks;
use crate::request::Request;
use crate::response::Response;
use crate::rules::{Rule, Stage};
use crate::sections::Sections;
use crate::seen::Seen;
use crate::sources::Lookups;
use crate::strings::StringId;
use counting::Counting;

pub(crate) use counting::count_response;

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
    pub(crate) values: Values,
    known: Known,
    seen_values: Seen,
    seen_literals: Seen,
    /// Atoms that may be true by a literal that was found, to be tested.
    possible: Vec<AtomId>,
    counting: Counting,
    /// Nodes of a condition that can be reached.
    open: Vec<bool>,
    /// Whether the verdict may depend on the body as JSON.
    wants_json: bool,
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
    /// Whether the request that was decided last has more combinations of values for the key, or the distinct values, of
    /// some counter than are counted.
    #[must_use]
    pub fn keys_were_dropped(&self) -> bool {
        self.counting.keys.were_dropped
    }

    /// Forgets the last request; what is sized by the ruleset is only cleared where it was touched.
    fn clear(&mut self, sections: &Sections) {
        self.values.clear(&sections.sources);
        self.known.clear(sections);
        self.seen_values.clear(sections.exact.place_count());
        self.seen_literals.clear(sections.literals.entry_count());
        self.possible.clear();
        self.counting.clear(sections);
        self.wants_json = false;
        self.matched.clear();
        self.shadowed.clear();
        self.by_rank.clear();
        self.tags.clear();
    }
}

/// What was found out about atoms and rules.
#[derive(Debug, Default)]
struct Known {
    truths: Vec<Truth>,
    touched: Vec<AtomId>,
    /// Of atoms that give access.
    true_atoms: Vec<AtomId>,
    candidates: Seen,
}

impl Known {
    fn clear(&mut self, sections: &Sections) {
        for atom in self.touched.drain(..) {
            if let Some(truth) = self.truths.get_mut(atom as usize) {
                *truth = Truth::Unknown;
            }
        }
        self.candidates.clear(sections.rules.count());
        self.true_atoms.clear();
        let atoms = sections.atoms.count() as usize;
        self.truths.resize(atoms, Truth::Unknown);
    }

    fn truth(&self, atom: AtomId) -> Truth {
        let truth = self.truths.get(atom as usize);
        truth.copied().unwrap_or(Truth::False)
    }

    /// Notes what is known of an atom. False if that was known before.
    fn mark(&mut self, atom: AtomId, truth: Truth) -> bool {
        match self.truths.get_mut(atom as usize) {
            Some(known) if *known == Truth::Unknown => {
                *known = truth;
                self.touched.push(atom);
                true
            }
            _ => false,
        }
    }

    /// An index found that an atom is true.
    fn find(&mut self, atom: AtomId, sections: &Sections) {
        if self.mark(atom, Truth::True) {
            self.let_in(atom, sections);
        }
    }

    /// The rules that an atom gives access to become candidates.
    fn let_in(&mut self, atom: AtomId, sections: &Sections) {
        self.true_atoms.push(atom);
        for rule in sections.atoms.postings(atom) {
            self.candidates.add(rule);
        }
    }
}

/// There is none before a request is decided.
const NO_RESPONSE: &Response<'_> = &Response {
    code: None,
    headers: &[],
};

/// Where a decision counts, and where it keeps what has to wait for the response.
pub(crate) struct Counts<'a> {
    pub(crate) store: &'a mut dyn CounterStore,
    pub(crate) pending: &'a mut Pending,
}

/// Fills `matched` and `shadowed` of the scratch. Without `counts` nothing is counted, and counters read 0.
pub(crate) fn evaluate(
    sections: &Sections,
    request: &Request<'_>,
    counts: Option<Counts<'_>>,
    scratch: &mut Scratch,
) {
    let (mut evaluation, pending) = Evaluation::begin(sections, request, counts, scratch);
    evaluation.find_candidates();
    evaluation.read_body();
    evaluation.conclude(pending);
}

/// As [`evaluate`], before the body is here: false, and nothing is filled or counted, if that may depend on it.
pub(crate) fn evaluate_head(
    sections: &Sections,
    request: &Request<'_>,
    counts: Option<Counts<'_>>,
    scratch: &mut Scratch,
) -> bool {
    let head = Request {
        body: None,
        ..*request
    };
    let (mut evaluation, pending) = Evaluation::begin(sections, &head, counts, scratch);
    evaluation.find_candidates();
    let is_decided = !evaluation.readings().is_any();
    if is_decided {
        evaluation.conclude(pending);
    }
    is_decided
}

pub(crate) struct Evaluation<'a> {
    pub(crate) sections: &'a Sections,
    pub(crate) from: Inputs<'a>,
    pub(crate) store: Option<&'a mut dyn CounterStore>,
    pub(crate) scratch: &'a mut Scratch,
}

impl<'a> Evaluation<'a> {
    /// The second part is where to keep what has to wait for the response, if anything is counted.
    fn begin<'c: 'a>(
        sections: &'a Sections,
        request: &'a Request<'a>,
        counts: Option<Counts<'c>>,
        scratch: &'a mut Scratch,
    ) -> (Evaluation<'a>, Option<&'a mut Pending>) {
        scratch.clear(sections);
        let (store, pending): (Option<&mut dyn CounterStore>, _) = match counts {
            Some(Counts { store, pending }) => {
                (Some(store as &mut dyn CounterStore), Some(pending))
            }
            None => (None, None),
        };
        let evaluation = Evaluation {
            sections,
            from: Inputs {
                request,
                response: NO_RESPONSE,
                sources: &sections.sources,
                strings: &sections.strings,
            },
            store,
            scratch,
        };
        (evaluation, pending)
    }

    /// The rules that all but the body lets in.
    fn find_candidates(&mut self) {
        self.look_up();
        self.pair();
        for rule in self.sections.policy.always() {
            self.scratch.known.candidates.add(rule);
        }
    }

    fn conclude(&mut self, pending: Option<&mut Pending>) {
        if let Some(pending) = pending {
            self.count(pending);
        }
        self.check_candidates();
        self.collect_tags();
    }

    /// Looks up the values of all attributes that give access and that the request has, but for the body's.
    fn look_up(&mut self) {
        for &id in &self.sections.sources.fixed {
            self.look_up_attribute(id);
        }
        for base in [
            Base::Header,
            Base::Param,
            Base::Cookie,
            Base::Claim,
            Base::Custom,
        ] {
            self.look_up_names(base);
        }
    }

    /// Looks up the values of a base that has names.
    fn look_up_names(&mut self, base: Base) {
        let names = self.sections.sources.names_of(base);
        let Some(names) = names.filter(|names| names.give_access()) else {
            return;
        };
        self.scratch.values.sort_fields(base, &self.from);
        let mut index = 0;
        while let Some(name) = self.scratch.values.name_at(base, index) {
            index += 1;
            for &id in names.attributes(name) {
                self.look_up_attribute(id);
            }
        }
    }

    fn look_up_attribute(&mut self, id: AttributeId) {
        let sections = self.sections;
        let Some(attribute) = sections.attributes.get(id) else {
            return;
        };
        let lookups = sections.sources.lookups(id);
        match attribute.base.kind() {
            ValueKind::Bytes => {
                self.scratch.values.derive(id, attribute, &self.from);
                if !self.scratch.values.has(id) {
                    return;
                }
                self.look_up_values(id, &lookups);
            }
            ValueKind::Ip => self.look_up_address(attribute.base, &lookups),
            ValueKind::Time | ValueKind::Bool | ValueKind::Int => {}
        }
        self.look_up_numbers(id, &lookups);
        for &atom in sections.sources.scanned(&lookups) {
            self.test_access(atom);
        }
    }

    fn look_up_values(&mut self, id: AttributeId, lookups: &Lookups) {
        let sections = self.sections;
        let Scratch {
            values,
            known,
            seen_values,
            seen_literals,
            possible,
            ..
        } = &mut *self.scratch;
        let tables = (&sections.strings, &sections.atoms);
        for value in values.get(id) {
            if lookups.exact {
                for atom in sections
                    .exact
                    .lookup(id, value, &sections.strings, seen_values)
                {
                    known.find(atom, sections);
                }
            }
            sections
                .literals
                .find(
                    lookups.literals,
                    value,
                    tables,
                    seen_literals,
                    |found| match found {
                        Found::True(atom) => known.find(atom, sections),
                        Found::Possible(atom) => {
                            if known.truth(atom) == Truth::Unknown {
                                possible.push(atom);
                            }
                        }
                    },
                );
        }
        while let Some(atom) = self.scratch.possible.pop() {
            self.test_access(atom);
        }
    }

    fn look_up_address(&mut self, base: Base, lookups: &Lookups) {
        let sections = self.sections;
        let address = self.address(base);
        if let Some((table, address)) = lookups.networks.zip(address) {
            let known = &mut self.scratch.known;
            sections
                .networks
                .find(table, address, |atom| known.find(atom, sections));
        }
    }

    fn look_up_numbers(&mut self, id: AttributeId, lookups: &Lookups) {
        let sections = self.sections;
        let (start, end) = lookups.ranks;
        for table in (start..end).filter_map(|index| sections.ranks.table(index)) {
            let Scratch { values, known, .. } = &mut *self.scratch;
            let values = values.get(id);
            let time = Number::Int(self.from.request.time_us);
            find_ranks(sections, &table, values, time, known);
        }
    }

    /// Tests an atom that no index knows all about, and lets its rules in.
    fn test_access(&mut self, atom: AtomId) {
        if self.scratch.known.truth(atom) == Truth::Unknown && self.is_true(atom) {
            self.scratch.known.let_in(atom, self.sections);
        }
    }

    fn pair(&mut self) {
        let pairs = &self.sections.pairs;
        if pairs.is_empty() {
            return;
        }
        let Known {
            truths,
            true_atoms,
            candidates,
            ..
        } = &mut self.scratch.known;
        let is_true = |atom: AtomId| truths.get(atom as usize) == Some(&Truth::True);
        pairs.find(true_atoms, is_true, |rule| {
            candidates.add(rule);
        });
    }

    fn check_candidates(&mut self) {
        let sections = self.sections;
        let candidates = core::mem::take(&mut self.scratch.known.candidates);
        for &index in candidates.indices() {
            let entry = sections.rules.entry_at(index, self.from.request.time_us);
            let matches =
                entry.is_some_and(|entry| sections.programs.run(entry, |atom| self.is_true(atom)));
            let Some(rule) = sections.rules.get(index).filter(|_| matches) else {
                continue;
            };
            if self.is_enforced(index, &rule) {
                self.scratch.matched.push(index);
                self.scratch.by_rank.push((rule.rank, index));
            } else {
                self.scratch.shadowed.push(index);
            }
        }
        self.scratch.matched.sort_unstable();
        self.scratch.shadowed.sort_unstable();
        self.scratch.by_rank.sort_unstable();
        self.scratch.known.candidates = candidates;
    }

    fn is_enforced(&mut self, index: u32, rule: &Rule) -> bool {
        match rule.stage {
            Stage::Enforce => true,
            Stage::Shadow => false,
            Stage::Canary => self.is_drawn(index, rule).unwrap_or(false),
        }
    }

    /// Whether the request is in the share of a canary; nothing if it lacks a key. Of several values the first counts.
    fn is_drawn(&mut self, index: u32, rule: &Rule) -> Option<bool> {
        let sections = self.sections;
        let canary = sections.canaries.of_rule(index)?;
        let mut draw = Draw::new(sections.strings.get(rule.id));
        for id in sections.canaries.keys(&canary) {
            let attribute = sections.attributes.get(id)?;
            match attribute.base.kind() {
                ValueKind::Ip => draw.add_address(self.address(attribute.base)?),
                _ => {
                    let values = &mut self.scratch.values;
                    values.derive(id, attribute, &self.from);
                    draw.add(values.get(id).next()?);
                }
            }
        }
        Some(draw.is_within(canary.share))
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

    pub(crate) fn is_true(&mut self, id: AtomId) -> bool {
        match self.scratch.known.truth(id) {
            Truth::True => return true,
            Truth::False => return false,
            Truth::Unknown => {}
        }
        let truth = match self.sections.atoms.get(id) {
            Some(atom) if self.test(&atom) => Truth::True,
            _ => Truth::False,
        };
        self.scratch.known.mark(id, truth);
        truth == Truth::True
    }

    fn test(&mut self, atom: &Atom) -> bool {
        if let Test::Counter(comparison, number) = atom.test {
            let value = self.read_counter(atom.attribute);
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            return comparison.holds(Number::Int(value), number);
        }
        let Some(attribute) = self.sections.attributes.get(atom.attribute) else {
            return false;
        };
        match attribute.base.kind() {
            ValueKind::Bytes => {
                let values = &mut self.scratch.values;
                values.derive(atom.attribute, attribute, &self.from);
                self.test_bytes(atom)
            }
            ValueKind::Ip => self.test_address(atom, attribute.base),
            ValueKind::Time => match atom.test {
                Test::Compare(comparison, number) => {
                    comparison.holds(Number::Int(self.from.request.time_us), number)
                }
                Test::Present => true,
                _ => false,
            },
            ValueKind::Int => self.from.response.code.is_some_and(|code| {
                let code = Number::Int(i64::from(code));
                test_number(atom.test, code)
            }),
            ValueKind::Bool => match (atom.test, self.from.request.mtls) {
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
            View::Address => values
                .filter_map(parse_address)
                .any(|address| self.holds_address(atom.test, address)),
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
            Test::IsTrue
            | Test::IsFalse
            | Test::InPrefixes(_)
            | Test::Compare(..)
            | Test::Counter(..) => false,
        }
    }

    fn test_address(&self, atom: &Atom, base: Base) -> bool {
        self.address(base)
            .is_some_and(|address| self.holds_address(atom.test, address))
    }

    pub(crate) fn address(&self, base: Base) -> Option<IpAddr> {
        match base {
            Base::SourceIp => self.from.request.source_ip,
            _ => self.from.request.client_ip,
        }
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

/// An address in its text form; one that maps an IPv4 address counts as that.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = core::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// Finds the comparisons of a table that hold; `values` are those of its attribute unless that is the time.
fn find_ranks<'v>(
    sections: &Sections,
    table: &ranks::Table,
    values: impl ExactSizeIterator<Item = &'v [u8]>,
    time: Number,
    known: &mut Known,
) {
    let tell = |atom| known.find(atom, sections);
    let ranks = &sections.ranks;
    match table.view {
        View::Value => ranks.find(table, core::iter::once(time), tell),
        View::Size => {
            let size = Number::Int(length(values.len()));
            ranks.find(table, core::iter::once(size), tell);
        }
        View::Length => {
            let lengths = values.map(|value| Number::Int(length(value.len())));
            ranks.find(table, lengths, tell);
        }
        View::Int => ranks.find(table, values.filter_map(parse_int).map(Number::Int), tell),
        View::Double => {
            let numbers = values.filter_map(parse_double).map(Number::Double);
            ranks.find(table, numbers, tell);
        }
        // No atom compares addresses.
        View::Address => {}
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
