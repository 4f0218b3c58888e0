//! A loaded ruleset: sections that were checked, ready to decide.

use alloc::vec::Vec;

use crate::admission::{Admitted, AdmittedHead, Mark, Refusal};
use crate::assembly::{Assembly, WholeSection};
use crate::bundle::{Digest, OnExpired};
use crate::counters::{CounterDefinition, CounterStore, Pending};
use crate::evaluate::{Counts, count_response, evaluate, evaluate_head};
use crate::request::{Needs, Request};
use crate::response::Response;
use crate::sections::Sections;
use crate::trust::TrustedKeys;
use crate::verdict::Verdict;

pub use crate::evaluate::Scratch;

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
    head: AdmittedHead,
    needs: Needs,
    /// All but the detached ones, in file order.
    whole: Vec<WholeSection>,
    pub(crate) sections: Sections,
}

impl Ruleset {
    /// Copies the sections of an admitted bundle and checks every index in them.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadSection`]: the bundle was signed, but not made by a compiler that works.
    pub fn load(admitted: &Admitted<'_>) -> Result<Ruleset, Refusal> {
        Assembly::of(admitted).finish()
    }

    pub(crate) fn new(head: AdmittedHead, whole: Vec<WholeSection>, sections: Sections) -> Ruleset {
        Ruleset {
            needs: sections.needs(),
            head,
            whole,
            sections,
        }
    }

    /// What it was admitted by.
    #[must_use]
    pub fn head(&self) -> &AdmittedHead {
        &self.head
    }

    /// All sections but the detached ones, in file order.
    #[must_use]
    pub fn whole_sections(&self) -> &[WholeSection] {
        &self.whole
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
        pending.ruleset = Some(self.head.mark.digest);
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
        if pending.ruleset == Some(self.head.mark.digest) && !pending.is_empty() {
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
        pending.ruleset = Some(self.head.mark.digest);
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
        &self.head.name
    }

    /// Which filters it is for.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.head.audience.as_deref()
    }

    /// Grows with each publication.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.head.mark.revision
    }

    /// What the bundle is known by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.head.mark.digest
    }

    /// What the next bundle is compared with.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.head.mark
    }

    /// Whether other keys than those it was admitted under would admit it too: after a rotation, what serves may go on
    /// only if they do.
    ///
    /// # Errors
    ///
    /// As [`TrustedKeys::verify`].
    pub fn check_trust(&self, trust: &TrustedKeys) -> Result<(), Refusal> {
        trust.verify_manifest(&self.head.manifest, &self.head.signatures)
    }

    /// Unix time; not served before.
    #[must_use]
    pub fn not_before_s(&self) -> u64 {
        self.head.not_before_s
    }

    /// Unix time; from then on `on_expired` holds.
    #[must_use]
    pub fn expires_at_s(&self) -> u64 {
        self.head.expires_at_s
    }

    /// What a filter does once this has expired.
    #[must_use]
    pub fn on_expired(&self) -> OnExpired {
        self.head.on_expired
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
