//! Lowers a checked ruleset to the sections of a bundle.
//!
//! Names become indices, equal atoms become one, conditions become decision sequences, patterns become automata, and
//! each rule gets its access predicates: the cheapest set of atoms of which one must be true for the rule to match.

mod access;
mod actions;
mod condition;
mod counters;
mod filing;
mod identity;
mod intern;
mod lists;
mod networks;
pub(crate) mod plan;
mod provenance;
mod rules;

use riskgate_engine::atoms::AtomId;
use riskgate_engine::attributes::{MAX_ATTRIBUTES, MAX_CHAINS};
use riskgate_engine::body::MAX_JSON_POINTERS;
use riskgate_engine::bundle::SectionKind;
use riskgate_engine::bundle::writer::NewSection;
use riskgate_engine::{atoms, attributes, dfa, prefixes, program};
use thiserror::Error;

use crate::ir::{Base, Condition, Rule, Ruleset, Stage};
use intern::Interner;

pub use lists::{ApproximateList, approximate_lists};
pub use provenance::{Provenance, RuleProvenance};

/// Why a ruleset that means something cannot be compiled.
#[derive(Debug, Error)]
pub enum LowerError {
    /// More chains of transforms start at one attribute than the engine derives.
    #[error(
        "rules transform one attribute in more than {MAX_CHAINS} different ways; write the same chain of transforms in rules \
         that can share it"
    )]
    TooManyChains,
    /// More JSON pointers than the engine follows.
    #[error(
        "rules read more than {MAX_JSON_POINTERS} different places of JSON bodies; use `*` for the elements of an array, and \
         leave out what no rule needs"
    )]
    TooManyPointers,
    /// More attributes than the engine keeps apart.
    #[error(
        "rules read more than {MAX_ATTRIBUTES} different attributes, counting each chain of transforms; test one attribute with \
         a list of values instead of many names"
    )]
    TooManyAttributes,
}

/// The sections of a bundle, in order.
///
/// # Errors
///
/// When the rules are more than the engine takes.
pub fn lower(ruleset: &Ruleset) -> Result<Vec<NewSection>, LowerError> {
    lower_with(ruleset, |_| ())
}

/// The sections of a bundle, and for each rule the index of every atom of its condition, in the order in which they stand.
///
/// # Errors
///
/// As [`lower`].
pub fn lower_traced(ruleset: &Ruleset) -> Result<(Vec<NewSection>, Vec<Vec<AtomId>>), LowerError> {
    let mut ids = Vec::new();
    let sections = lower_with(ruleset, |interner| {
        let conditions = ruleset.rules.iter().map(|rule| &rule.when);
        // Each atom has its index by now; to ask for it changes nothing.
        let atoms = conditions.map(|when| when.atoms().map(|atom| interner.atom(atom)).collect());
        ids.extend(atoms.collect::<Vec<_>>());
    })?;
    Ok((sections, ids))
}

fn lower_with<'r>(
    ruleset: &'r Ruleset,
    look: impl FnOnce(&mut Interner<'r>),
) -> Result<Vec<NewSection>, LowerError> {
    let mut interner = Interner::new(&ruleset.lists, &ruleset.counters);
    let actions = actions::lower(ruleset, &mut interner.strings);
    let mut rules = rules::lower(ruleset, &actions, &mut interner);
    let counters = counters::lower(&mut interner, &mut rules.nodes);
    interner.check_chains()?;
    let mut policy = actions.policy;
    let filed = filing::file(&rules.access_atoms(), &mut interner);
    policy.scanned = filed.scanned;
    let pairs = rules.pairs_section();
    let canaries = rules.canaries_section();
    policy.always = rules.always;
    let (all_atoms, postings) = interner.atoms_with_postings(&rules.postings);
    let mut sections = vec![
        section(SectionKind::Strings, interner.strings.write()),
        section(
            SectionKind::Attributes,
            attributes::write(&interner.attributes()),
        ),
        section(SectionKind::Atoms, atoms::write(&all_atoms, &postings)),
        section(SectionKind::Exact, interner.exact.write()),
        section(
            SectionKind::Prefixes,
            prefixes::write(&interner.prefix_sets),
        ),
        section(SectionKind::Dfas, dfa::write(&interner.dfas)),
        section(SectionKind::Programs, program::write(&rules.nodes)),
        section(SectionKind::Rules, rules.section),
        section(SectionKind::Actions, actions.section),
        section(SectionKind::Policy, policy.write()),
        section(SectionKind::Literals, filed.literals),
        section(SectionKind::Networks, filed.networks),
        section(SectionKind::Ranks, filed.ranks),
        section(SectionKind::Pairs, pairs),
    ];
    let lists = ruleset
        .lists
        .iter()
        .map(|list| lists::lower(list, &ruleset.name));
    sections.extend(lists.map(|bytes| section(SectionKind::List, bytes)));
    sections.extend(canaries.map(|bytes| section(SectionKind::Canaries, bytes)));
    sections.extend(counters.map(|bytes| section(SectionKind::Counters, bytes)));
    sections.push(section(SectionKind::Provenance, provenance::write(ruleset)));
    look(&mut interner);
    Ok(sections)
}

/// The lowest version of the engine that evaluates a ruleset: one that uses nothing new stays loadable where it was.
#[must_use]
pub fn min_engine(ruleset: &Ruleset) -> u16 {
    let is_canary = |rule: &Rule| matches!(rule.stage, Stage::Canary(_));
    let is_new = |rule: &Rule| is_canary(rule) || reads_new(&rule.when);
    if ruleset.rules.iter().any(is_new) || !ruleset.counters.is_empty() {
        2
    } else {
        1
    }
}

/// Bodies, or what a custom filter knows. That a canary or a counter may read it too makes no difference: they are new.
fn reads_new(condition: &Condition) -> bool {
    match condition {
        Condition::Constant(_) => false,
        Condition::Atom(atom) => {
            let base = &atom.attribute.base;
            base.is_of_body() || matches!(base, Base::Custom { .. })
        }
        Condition::Not(inner) => reads_new(inner),
        Condition::All(parts) | Condition::Any(parts) => parts.iter().any(reads_new),
    }
}

fn section(kind: SectionKind, bytes: Vec<u8>) -> NewSection {
    NewSection { kind, bytes }
}
