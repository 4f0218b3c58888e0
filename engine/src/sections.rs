//! All sections of a bundle, checked against each other.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::actions::{Actions, TemplateKind};
use crate::assembly::WholeSection;
use crate::atoms::{Atoms, Targets};
use crate::attributes::{Attributes, Base};
use crate::body::BodyRules;
use crate::bundle::{BundleError, SectionKind};
use crate::canaries::Canaries;
use crate::codec::Bytes;
use crate::counters::{self, Counters};
use crate::dfa::{self, Dfa};
use crate::exact::Exact;
use crate::lists::List;
use crate::literals::Literals;
use crate::networks::Networks;
use crate::pace::Pace;
use crate::pairs::Pairs;
use crate::policy::Policy;
use crate::prefixes::{self, PrefixSet};
use crate::program::Programs;
use crate::ranks::Ranks;
use crate::request::Needs;
use crate::rules::{self, Rules};
use crate::sources::{Index, Sources};
use crate::strings::Strings;

/// Every section, with all its indices checked against the others.
#[derive(Debug, Clone)]
pub(crate) struct Sections {
    pub(crate) strings: Strings,
    pub(crate) attributes: Attributes,
    pub(crate) atoms: Atoms,
    pub(crate) exact: Exact,
    prefix_sets: Vec<PrefixSet>,
    dfas: Vec<Dfa>,
    lists: Vec<Arc<List>>,
    pub(crate) programs: Programs,
    pub(crate) rules: Rules,
    pub(crate) actions: Actions,
    pub(crate) policy: Policy,
    pub(crate) literals: Literals,
    pub(crate) networks: Networks,
    pub(crate) ranks: Ranks,
    pub(crate) pairs: Pairs,
    pub(crate) canaries: Canaries,
    pub(crate) counters: Counters,
    pub(crate) sources: Sources,
    pub(crate) body_rules: BodyRules,
}

impl Sections {
    /// Reads them one after the other, and stops where the work that is allowed is used up. A list that was read is left
    /// with its section, and one that was read before is not read again.
    pub(crate) async fn read(
        whole: &mut [WholeSection],
        pace: &Pace,
    ) -> Result<Sections, BundleError> {
        let lists = read_lists(whole, pace).await;
        let whole = Whole { whole, pace };
        let strings = Strings::read(&whole.get(SectionKind::Strings).await?)?;
        let attributes = Attributes::read(&whole.get(SectionKind::Attributes).await?, &strings)?;
        let prefix_sets = prefixes::read(&whole.get(SectionKind::Prefixes).await?)?;
        let dfas = dfa::read(&whole.get(SectionKind::Dfas).await?)?;
        let lists = lists?;
        let rules_bytes = whole.get(SectionKind::Rules).await?;
        let counters_bytes = whole.find(SectionKind::Counters);
        let targets = Targets {
            attributes: &attributes,
            strings: strings.count(),
            list_is_addresses: &|index| lists.get(index as usize).map(|list| list.is_addresses()),
            prefix_sets: count(prefix_sets.len()),
            dfas: count(dfas.len()),
            rules: rules::count(&rules_bytes)?,
            counters: counters_bytes.as_deref().map_or(Ok(0), counters::count)?,
        };
        let atoms = Atoms::read(&whole.get(SectionKind::Atoms).await?, &targets, pace).await?;
        let exact = whole.exact(&strings, &atoms).await?;
        let programs = Programs::read(&whole.get(SectionKind::Programs).await?, atoms.count())?;
        let actions = Actions::read(&whole.get(SectionKind::Actions).await?, &strings)?;
        let rules = Rules::read(&rules_bytes, &strings, &programs, actions.count())?;
        let policy_bytes = whole.get(SectionKind::Policy).await?;
        let policy = Policy::read(&policy_bytes, actions.count(), rules.count(), atoms.count())?;
        let literals = whole.literals(&strings, &atoms).await?;
        let networks = whole.networks(&atoms).await?;
        let ranks = Ranks::read(&whole.get(SectionKind::Ranks).await?, &atoms)?;
        let pairs = Pairs::read(&whole.get(SectionKind::Pairs).await?, &atoms, rules.count())?;
        let canaries = whole.find(SectionKind::Canaries);
        let canaries = Canaries::read(canaries.as_ref(), &rules, &attributes)?;
        let mut sections = Sections {
            strings,
            attributes,
            atoms,
            exact,
            prefix_sets,
            dfas,
            lists,
            programs,
            rules,
            actions,
            policy,
            literals,
            networks,
            ranks,
            pairs,
            canaries,
            counters: Counters::default(),
            sources: Sources::default(),
            body_rules: BodyRules::default(),
        };
        sections.prepare(counters_bytes.as_deref(), pace).await?;
        Ok(sections)
    }

    /// What is worked out once all other sections are there.
    async fn prepare(&mut self, counters: Option<&[u8]>, pace: &Pace) -> Result<(), BundleError> {
        if let Some(bytes) = counters {
            self.counters = self.read_counters(bytes)?;
        }
        self.check_conditions(pace).await?;
        self.sources = Sources::new(&self.index());
        self.body_rules = BodyRules::new(self);
        Ok(())
    }

    /// Conditions of rules stand before those of counters, and both ask for nothing that they cannot know.
    async fn check_conditions(&self, pace: &Pace) -> Result<(), BundleError> {
        let rules = self.rules.entries();
        let conditions = rules.chain(self.counters.entries());
        self.programs.check_conditions(conditions, pace).await?;
        if !self.asks_late(Base::is_of_response) {
            return Ok(());
        }
        let ways = counters::Ways {
            atoms: &self.atoms,
            attributes: &self.attributes,
            policy: &self.policy,
            pairs: &self.pairs,
            programs: &self.programs,
        };
        ways.check(self.counters.entries())
    }

    /// Whether something may ask for what is not known yet when a request's head is there. Most bundles do not, and looking
    /// through all of their atoms and conditions takes long.
    pub(crate) fn asks_late(&self, is_late: impl Fn(Base) -> bool) -> bool {
        let mut attributes = self.attributes.iter();
        !self.counters.planned.is_empty() || attributes.any(|attribute| is_late(attribute.base))
    }

    fn read_counters(&self, bytes: &[u8]) -> Result<Counters, BundleError> {
        let targets = counters::Targets {
            strings: &self.strings,
            attributes: &self.attributes,
            atoms: &self.atoms,
            programs: &self.programs,
        };
        Counters::read(bytes, &targets)
    }

    fn index(&self) -> Index<'_> {
        Index {
            strings: &self.strings,
            attributes: &self.attributes,
            atoms: &self.atoms,
            exact: &self.exact,
            literals: &self.literals,
            networks: &self.networks,
            ranks: &self.ranks,
            policy: &self.policy,
        }
    }

    pub(crate) fn list(&self, index: u32) -> Option<&List> {
        self.lists.get(index as usize).map(|list| &**list)
    }

    pub(crate) fn prefix_set(&self, index: u32) -> Option<&PrefixSet> {
        self.prefix_sets.get(index as usize)
    }

    pub(crate) fn dfa(&self, index: u32) -> Option<&Dfa> {
        self.dfas.get(index as usize)
    }

    pub(crate) fn needs(&self) -> Needs {
        let attributes = self
            .attributes
            .iter()
            .fold(0, |bits, attribute| bits | attribute.base.bit());
        let templates = self.actions.all_template_parts().fold(0, |bits, part| {
            bits | match part.kind {
                TemplateKind::Path | TemplateKind::UrlPath => Base::Path.bit(),
                TemplateKind::Host => Base::Host.bit(),
                TemplateKind::Literal | TemplateKind::RuleId => 0,
            }
        });
        Needs::from_bits(attributes | templates)
    }
}

/// Sections by their kind.
struct Whole<'a> {
    whole: &'a [WholeSection],
    pace: &'a Pace,
}

impl Whole<'_> {
    /// The only section of a kind.
    async fn get(&self, kind: SectionKind) -> Result<Bytes, BundleError> {
        let bytes = self
            .find(kind)
            .ok_or(BundleError::MissingSection { kind })?;
        self.pace.spend(bytes.len()).await;
        Ok(bytes)
    }

    async fn exact(&self, strings: &Strings, atoms: &Atoms) -> Result<Exact, BundleError> {
        let bytes = self.get(SectionKind::Exact).await?;
        Exact::read(&bytes, strings, atoms, self.pace).await
    }

    async fn literals(&self, strings: &Strings, atoms: &Atoms) -> Result<Literals, BundleError> {
        let bytes = self.get(SectionKind::Literals).await?;
        Literals::read(&bytes, strings, atoms, self.pace).await
    }

    async fn networks(&self, atoms: &Atoms) -> Result<Networks, BundleError> {
        let bytes = self.get(SectionKind::Networks).await?;
        Networks::read(&bytes, atoms, self.pace).await
    }

    /// One that stands only in bundles that need it.
    fn find(&self, kind: SectionKind) -> Option<Bytes> {
        let mut sections = self.whole.iter();
        let section = sections.find(|section| section.kind() == kind)?;
        Some(Bytes::from(section.bytes()))
    }
}

async fn read_lists(
    whole: &mut [WholeSection],
    pace: &Pace,
) -> Result<Vec<Arc<List>>, BundleError> {
    let mut lists = Vec::new();
    for section in whole {
        if section.kind() == SectionKind::List {
            lists.push(section.list(pace).await?);
        }
    }
    Ok(lists)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
