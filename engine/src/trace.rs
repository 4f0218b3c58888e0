//! What tools ask of a loaded ruleset beside its verdicts: what its conditions are made of, and what a request makes of
//! every atom. No decision runs through here.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::actions::Action;
use crate::atoms::{Atom, AtomId};
use crate::attributes::{Attribute, AttributeId, ValueKind};
use crate::counters::CounterStore;
use crate::derive::Inputs;
use crate::evaluate::{Evaluation, Scratch};
use crate::program::Node;
use crate::request::Request;
use crate::response::Response;
use crate::rules::Rule;
use crate::ruleset::Ruleset;
use crate::strings::StringId;

/// Truths and values for one request.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Whether each atom is true, those included that the decision had no need to look at. Atoms of the response are false.
    pub atoms: Vec<bool>,
    /// The values of each attribute, after its transforms.
    pub attributes: Vec<Vec<TracedValue>>,
    /// The count of each counter for the request's key.
    pub counters: Vec<u64>,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracedValue {
    /// Of a string.
    Bytes(Vec<u8>),
    /// An address.
    Address(IpAddr),
    /// Microseconds since the Unix epoch.
    Time(i64),
    /// A bool.
    Bool(bool),
}

impl Ruleset {
    /// Whether each atom is true for the request that was decided last with this scratch and, if it was counted, this store;
    /// nothing may have been counted since. The same tests that decisions run, of every atom.
    pub fn trace_atoms(
        &self,
        request: &Request<'_>,
        store: &mut dyn CounterStore,
        scratch: &mut Scratch,
    ) -> Vec<bool> {
        self.ask(request, store, scratch, |evaluation| {
            let atoms = 0..evaluation.sections.atoms.count();
            atoms.map(|atom| evaluation.is_true(atom)).collect()
        })
    }

    /// As [`Ruleset::trace_atoms`], with the values that the atoms were asked about.
    pub fn trace(
        &self,
        request: &Request<'_>,
        store: &mut dyn CounterStore,
        scratch: &mut Scratch,
    ) -> Trace {
        let atoms = self.trace_atoms(request, store, scratch);
        self.ask(request, store, scratch, |evaluation| {
            let attributes = 0..evaluation.sections.attributes.count();
            let counters = (0..).take(evaluation.sections.counters.definitions.len());
            Trace {
                atoms,
                attributes: attributes.map(|id| evaluation.values(id)).collect(),
                counters: counters
                    .map(|index| evaluation.read_counter(index))
                    .collect(),
            }
        })
    }

    /// Goes on with the evaluation that filled the scratch.
    pub(crate) fn ask<R>(
        &self,
        request: &Request<'_>,
        store: &mut dyn CounterStore,
        scratch: &mut Scratch,
        question: impl FnOnce(&mut Evaluation<'_>) -> R,
    ) -> R {
        let mut evaluation = Evaluation {
            sections: &self.sections,
            from: Inputs {
                request,
                response: &Response::default(),
                sources: &self.sections.sources,
                strings: &self.sections.strings,
            },
            store: Some(store),
            scratch,
        };
        question(&mut evaluation)
    }

    /// A rule; the index counts in source order.
    #[must_use]
    pub fn rule(&self, index: u32) -> Option<Rule> {
        self.sections.rules.get(index)
    }

    /// A terminal action.
    #[must_use]
    pub fn action(&self, index: u32) -> Option<Action> {
        self.sections.actions.get(index)
    }

    /// A step of a condition.
    #[must_use]
    pub fn node(&self, index: u32) -> Option<Node> {
        self.sections.programs.node(index)
    }

    /// An atom.
    #[must_use]
    pub fn atom(&self, id: AtomId) -> Option<Atom> {
        self.sections.atoms.get(id)
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(&self, id: AttributeId) -> Option<Attribute> {
        self.sections.attributes.get(id)
    }

    /// A string; of an index that is none, nothing.
    #[must_use]
    pub fn string(&self, id: StringId) -> &[u8] {
        self.sections.strings.get(id)
    }

    /// The values that make atoms of [`Test::OneOf`](crate::atoms::Test::OneOf) true.
    pub fn exact_values(&self) -> impl Iterator<Item = (AtomId, &[u8])> {
        self.sections.exact.values(&self.sections.strings)
    }
}

impl Evaluation<'_> {
    fn values(&mut self, id: AttributeId) -> Vec<TracedValue> {
        let Some(attribute) = self.sections.attributes.get(id) else {
            return Vec::new();
        };
        match attribute.base.kind() {
            ValueKind::Bytes => {
                let values = &mut self.scratch.values;
                values.derive(id, attribute, &self.from);
                values
                    .get(id)
                    .map(|value| TracedValue::Bytes(value.to_vec()))
                    .collect()
            }
            ValueKind::Ip => {
                let address = self.address(attribute.base);
                address.map(TracedValue::Address).into_iter().collect()
            }
            ValueKind::Time => [TracedValue::Time(self.from.request.time_us)].into(),
            ValueKind::Bool => {
                let mtls = self.from.request.mtls;
                mtls.map(TracedValue::Bool).into_iter().collect()
            }
            ValueKind::Int => Vec::new(),
        }
    }
}
