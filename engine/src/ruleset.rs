//! A loaded ruleset: sections that were checked, ready to decide.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::actions::{Actions, TemplateKind};
use crate::admission::{Admitted, Mark, Refusal};
use crate::atoms::{Atoms, Targets};
use crate::attributes::{Attributes, Base};
use crate::body::BodyRules;
use crate::bundle::{Bundle, BundleError, Digest, OnExpired, SectionKind, Signature};
use crate::canaries::Canaries;
use crate::codec::Bytes;
use crate::counters::{self, CounterDefinition, CounterStore, Counters, Pending};
use crate::dfa::{self, Dfa};
use crate::evaluate::{Counts, count_response, evaluate, evaluate_head};
use crate::exact::Exact;
use crate::lists::List;
use crate::literals::Literals;
use crate::networks::Networks;
use crate::pairs::Pairs;
use crate::policy::Policy;
use crate::prefixes::{self, PrefixSet};
use crate::program::Programs;
use crate::ranks::Ranks;
use crate::request::{Needs, Request};
use crate::response::Response;
use crate::rules::{self, Rules};
use crate::sources::{Index, Sources};
use crate::strings::Strings;
use crate::trust::TrustedKeys;
use crate::verdict::Verdict;

pub use crate::evaluate::Scratch;

/// Every section, with all its indices checked against the others.
#[derive(Debug, Clone)]
pub(crate) struct Sections {
    pub(crate) strings: Strings,
    pub(crate) attributes: Attributes,
    pub(crate) atoms: Atoms,
    pub(crate) exact: Exact,
    prefix_sets: Vec<PrefixSet>,
    dfas: Vec<Dfa>,
    lists: Vec<List>,
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
    fn read(bundle: &Bundle<'_>, file: Option<&Arc<[u8]>>) -> Result<Sections, BundleError> {
        let section = |kind| Ok(Bytes::of_section(bundle.section(kind)?, file));
        let strings = Strings::read(&section(SectionKind::Strings)?)?;
        let attributes = Attributes::read(&section(SectionKind::Attributes)?, &strings)?;
        let prefix_sets = prefixes::read(&section(SectionKind::Prefixes)?)?;
        let dfas = dfa::read(&section(SectionKind::Dfas)?)?;
        let lists = read_lists(bundle, file)?;
        let rules_bytes = section(SectionKind::Rules)?;
        let counters_bytes = bundle.optional_section(SectionKind::Counters);
        let targets = Targets {
            attributes: &attributes,
            strings: strings.count(),
            list_is_addresses: &|index| lists.get(index as usize).map(List::is_addresses),
            prefix_sets: count(prefix_sets.len()),
            dfas: count(dfas.len()),
            rules: rules::count(&rules_bytes)?,
            counters: counters_bytes.map_or(Ok(0), counters::count)?,
        };
        let atoms = Atoms::read(&section(SectionKind::Atoms)?, &targets)?;
        let exact = Exact::read(&section(SectionKind::Exact)?, &strings, &atoms)?;
        let programs = Programs::read(&section(SectionKind::Programs)?, atoms.count())?;
        let actions = Actions::read(&section(SectionKind::Actions)?, &strings)?;
        let rules = Rules::read(&rules_bytes, &strings, &programs, actions.count())?;
        let policy_bytes = section(SectionKind::Policy)?;
        let policy = Policy::read(&policy_bytes, actions.count(), rules.count(), atoms.count())?;
        let literals = Literals::read(&section(SectionKind::Literals)?, &strings, &atoms)?;
        let networks = Networks::read(&section(SectionKind::Networks)?, &atoms)?;
        let ranks = Ranks::read(&section(SectionKind::Ranks)?, &atoms)?;
        let pairs = Pairs::read(&section(SectionKind::Pairs)?, &atoms, rules.count())?;
        let canaries = bundle.optional_section(SectionKind::Canaries);
        let canaries = canaries.map(|bytes| Bytes::of_section(bytes, file));
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
        if let Some(bytes) = counters_bytes {
            sections.counters = sections.read_counters(bytes)?;
        }
        sections.prepare()?;
        Ok(sections)
    }

    /// What is worked out once all sections are there.
    fn prepare(&mut self) -> Result<(), BundleError> {
        self.check_conditions()?;
        self.sources = Sources::new(&self.index());
        self.body_rules = BodyRules::new(self);
        Ok(())
    }

    /// Conditions of rules stand before those of counters, and both ask for nothing that they cannot know.
    fn check_conditions(&self) -> Result<(), BundleError> {
        let rules = self.rules.entries();
        let conditions = rules.chain(self.counters.entries());
        self.programs.check_conditions(conditions)?;
        let ways = counters::Ways {
            atoms: &self.atoms,
            attributes: &self.attributes,
            policy: &self.policy,
            pairs: &self.pairs,
            programs: &self.programs,
        };
        ways.check(self.counters.entries())
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
        self.lists.get(index as usize)
    }

    pub(crate) fn prefix_set(&self, index: u32) -> Option<&PrefixSet> {
        self.prefix_sets.get(index as usize)
    }

    pub(crate) fn dfa(&self, index: u32) -> Option<&Dfa> {
        self.dfas.get(index as usize)
    }

    fn needs(&self) -> Needs {
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

fn read_lists(bundle: &Bundle<'_>, file: Option<&Arc<[u8]>>) -> Result<Vec<List>, BundleError> {
    let lists = bundle
        .sections()
        .iter()
        .filter(|section| section.kind == SectionKind::List);
    lists
        .filter_map(|section| section.bytes)
        .map(|bytes| List::read(&Bytes::of_section(bytes, file)))
        .collect()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What becomes of a request before its body is here.
#[derive(Debug)]
pub enum HeadDecision<'a> {
    /// Whatever the body is, this is the verdict.
    Decided(Verdict<'a>),
    /// It depends on the body.
    NeedsBody,
}

/// A ruleset that can decide. It owns its bytes.
#[derive(Debug, Clone)]
pub struct Ruleset {
    name: String,
    audience: Option<String>,
    mark: Mark,
    /// As they were signed, so that another trust can judge them.
    manifest: Vec<u8>,
    signatures: Vec<Signature>,
    not_before_s: u64,
    expires_at_s: u64,
    on_expired: OnExpired,
    needs: Needs,
    pub(crate) sections: Sections,
}

impl Ruleset {
    /// Copies the sections of an admitted bundle and checks every index in them.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadSection`]: the bundle was signed, but not made by a compiler that works.
    pub fn load(admitted: &Admitted<'_>) -> Result<Ruleset, Refusal> {
        Ruleset::read(admitted, None)
    }

    /// As [`Ruleset::load`], but copies no section of a bundle that was admitted where it lies in `file`: the ruleset
    /// keeps the file.
    ///
    /// # Errors
    ///
    /// As [`Ruleset::load`].
    pub fn load_shared(admitted: &Admitted<'_>, file: &Arc<[u8]>) -> Result<Ruleset, Refusal> {
        Ruleset::read(admitted, Some(file))
    }

    fn read(admitted: &Admitted<'_>, file: Option<&Arc<[u8]>>) -> Result<Ruleset, Refusal> {
        let bundle = admitted.bundle();
        let manifest = bundle.manifest();
        let sections = Sections::read(bundle, file).map_err(Refusal::BadSection)?;
        Ok(Ruleset {
            name: manifest.ruleset.to_string(),
            audience: manifest.audience.map(ToString::to_string),
            mark: Mark {
                revision: manifest.revision,
                digest: bundle.digest(),
                issued_at_s: manifest.issued_at_s,
            },
            manifest: bundle.manifest_bytes().to_vec(),
            signatures: bundle.signatures().to_vec(),
            not_before_s: manifest.not_before_s,
            expires_at_s: manifest.expires_at_s,
            on_expired: manifest.on_expired,
            needs: sections.needs(),
            sections,
        })
    }

    /// Decides a request. Allocates nothing once `scratch` has grown to the ruleset and the traffic.
    pub fn decide<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Verdict<'a> {
        evaluate(&self.sections, request, None, scratch);
        Verdict::new(&self.sections, scratch)
    }

    /// As [`Ruleset::decide`], and counts the request first, where that needs nothing but the request. What has to wait
    /// for the response is left in `pending`, whatever the verdict is, for [`Ruleset::count_response`].
    pub fn decide_counted<'a>(
        &'a self,
        request: &Request<'_>,
        store: &mut dyn CounterStore,
        pending: &mut Pending,
        scratch: &'a mut Scratch,
    ) -> Verdict<'a> {
        pending.clear();
        pending.ruleset = Some(self.mark.digest);
        let counts = Counts { store, pending };
        evaluate(&self.sections, request, Some(counts), scratch);
        Verdict::new(&self.sections, scratch)
    }

    /// Counts what only the response tells. `pending` is what the decision of its request left; of another ruleset's
    /// request nothing is counted. `time_us` is when the request ended, microseconds since the Unix epoch.
    pub fn count_response(
        &self,
        pending: &Pending,
        response: &Response<'_>,
        time_us: i64,
        store: &mut dyn CounterStore,
        scratch: &mut Scratch,
    ) {
        if pending.ruleset == Some(self.mark.digest) && !pending.is_empty() {
            let ended = (response, time_us);
            count_response(&self.sections, pending, ended, store, scratch);
        }
    }

    /// What a [`CounterStore`] has to know of each counter.
    #[must_use]
    pub fn counters(&self) -> &[CounterDefinition] {
        &self.sections.counters.definitions
    }

    /// The names of the counters.
    pub fn counter_names(&self) -> impl Iterator<Item = &str> {
        let names = self.sections.counters.names.iter();
        names.map(|name| self.sections.strings.text(*name))
    }

    /// Whether any counter waits for responses.
    #[must_use]
    pub fn counts_responses(&self) -> bool {
        let mut counters = self.sections.counters.planned.iter();
        counters.any(|counter| counter.request_atoms.is_some())
    }

    /// The names of the headers of responses that counters read, each once.
    pub fn response_headers(&self) -> impl Iterator<Item = &[u8]> {
        let names = self.sections.sources.response_headers.texts();
        names.map(|name| self.sections.strings.get(name))
    }

    /// Decides a request whose body is not here yet, if no body can change the verdict. [`Ruleset::decide`] decides it once
    /// the body is here, or if it turns out to have none, or one that cannot be read.
    pub fn decide_head<'a>(
        &'a self,
        request: &Request<'_>,
        scratch: &'a mut Scratch,
    ) -> HeadDecision<'a> {
        if evaluate_head(&self.sections, request, None, scratch) {
            HeadDecision::Decided(Verdict::new(&self.sections, scratch))
        } else {
            HeadDecision::NeedsBody
        }
    }

    /// As [`Ruleset::decide_head`], and counts the request as [`Ruleset::decide_counted`] does, if it is decided. Where that
    /// depends on the body, `is_unreadable` is asked: if the body cannot be read, the request is decided without it.
    pub fn decide_head_counted<'a>(
        &'a self,
        request: &Request<'_>,
        store: &mut dyn CounterStore,
        pending: &mut Pending,
        scratch: &'a mut Scratch,
        is_unreadable: impl FnOnce() -> bool,
    ) -> HeadDecision<'a> {
        pending.clear();
        pending.ruleset = Some(self.mark.digest);
        let counts = Counts {
            store: &mut *store,
            pending: &mut *pending,
        };
        if !evaluate_head(&self.sections, request, Some(counts), scratch) {
            if !is_unreadable() {
                return HeadDecision::NeedsBody;
            }
            let without = Request {
                body: None,
                ..*request
            };
            let counts = Counts { store, pending };
            evaluate(&self.sections, &without, Some(counts), scratch);
        }
        HeadDecision::Decided(Verdict::new(&self.sections, scratch))
    }

    /// What of a request the rules read.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// The names of the claims that rules read, each once.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let names = self.sections.sources.claims.texts();
        names.map(|name| self.sections.strings.text(name))
    }

    /// The names of the custom attributes that rules read, each once.
    pub fn custom(&self) -> impl Iterator<Item = &str> {
        let names = self.sections.sources.custom.texts();
        names.map(|name| self.sections.strings.text(name))
    }

    /// The ruleset's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which filters it is for.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// Grows with each publication.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.mark.revision
    }

    /// What the bundle is known by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.mark.digest
    }

    /// What the next bundle is compared with.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether other keys than those it was admitted under would admit it too: after a rotation, what serves may go on
    /// only if they do.
    ///
    /// # Errors
    ///
    /// As [`TrustedKeys::verify`].
    pub fn check_trust(&self, trust: &TrustedKeys) -> Result<(), Refusal> {
        trust.verify_manifest(&self.manifest, &self.signatures)
    }

    /// Unix time; not served before.
    #[must_use]
    pub fn not_before_s(&self) -> u64 {
        self.not_before_s
    }

    /// Unix time; from then on `on_expired` holds.
    #[must_use]
    pub fn expires_at_s(&self) -> u64 {
        self.expires_at_s
    }

    /// What a filter does once this has expired.
    #[must_use]
    pub fn on_expired(&self) -> OnExpired {
        self.on_expired
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> u32 {
        self.sections.rules.count()
    }

    /// How many distinct atoms there are.
    #[must_use]
    pub fn atom_count(&self) -> u32 {
        self.sections.atoms.count()
    }

    /// How many rules have no access predicate, so that every request pays for them.
    #[must_use]
    pub fn always_checked_count(&self) -> u32 {
        count(self.sections.policy.always().count())
    }

    /// The ids of the rules at stage canary, in source order, with the share of their matches that is enforced, of
    /// [`WHOLE`](crate::canaries::WHOLE).
    pub fn canaries(&self) -> impl Iterator<Item = (&str, u32)> {
        let sections = &self.sections;
        sections.canaries.all().filter_map(|canary| {
            let rule = sections.rules.get(canary.rule)?;
            Some((sections.strings.text(rule.id), canary.share))
        })
    }

    /// The rules' ids, in source order.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        let rules = (0..self.rule_count()).filter_map(|index| self.sections.rules.get(index));
        rules.map(|rule| self.sections.strings.text(rule.id))
    }
}
