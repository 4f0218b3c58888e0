//! Counting: what a request adds to its keys' counts, at once or when its response is known, and what rules read of them.

use alloc::vec::Vec;

use super::{Evaluation, Scratch};
use crate::atoms::AtomId;
use crate::attributes::{AttributeId, Base, ValueKind};
use crate::counters::keys::Keys;
use crate::counters::{CounterIndex, CounterStore, Pending, PendingCount};
use crate::derive::Inputs;
use crate::request::Request;
use crate::response::Response;
use crate::sections::Sections;

/// Working memory of counting.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) keys: Keys,
    /// What was read for this request, by counter.
    reads: Vec<Option<u64>>,
    /// Nodes of a condition that a walk may come to.
    reached: Vec<bool>,
}

impl Counting {
    /// Forgets the last request.
    pub(super) fn clear(&mut self, sections: &Sections) {
        self.keys.clear(sections.counters.tuples.len());
        self.reads.clear();
        self.reads.resize(sections.counters.planned.len(), None);
    }
}

/// Counts what only the response tells of a request that was decided.
pub(crate) fn count_response(
    sections: &Sections,
    pending: &Pending,
    (response, time_us): (&Response<'_>, i64),
    store: &mut dyn CounterStore,
    scratch: &mut Scratch,
) {
    scratch.clear(sections);
    let mut evaluation = Evaluation {
        sections,
        from: Inputs {
            request: &Request {
                time_us,
                ..Request::default()
            },
            response,
            sources: &sections.sources,
            strings: &sections.strings,
        },
        store: Some(store),
        scratch,
    };
    evaluation.look_up_names(Base::ResponseHeader);
    for waiting in &pending.counts {
        evaluation.count_waiting(waiting, pending);
    }
}

impl Evaluation<'_> {
    /// Counts the request where that needs no response, and notes where it may count once there is one.
    pub(super) fn count(&mut self, pending: &mut Pending) {
        let sections = self.sections;
        for (index, counter) in (0..).zip(&sections.counters.planned) {
            match &counter.request_atoms {
                None => {
                    let condition = counter.entry;
                    if sections.programs.run(condition, |atom| self.is_true(atom)) {
                        self.count_now(index);
                    }
                }
                Some(atoms) => self.wait(index, atoms, pending),
            }
        }
    }

    fn count_now(&mut self, index: CounterIndex) {
        let sections = self.sections;
        let Some(counter) = sections.counters.planned.get(index as usize) else {
            return;
        };
        self.hash_keys(counter.key);
        if let Some(distinct) = counter.distinct {
            self.hash_keys(distinct);
        }
        let keys = &self.scratch.counting.keys;
        let values = counter.distinct.map(|tuple| keys.get(tuple));
        let own = keys.get(counter.key).unwrap_or_default();
        let values = values.map(Option::unwrap_or_default);
        let slice = self.slice(index);
        if let Some(store) = self.store.as_deref_mut() {
            note(store, index, slice, own, values);
        }
    }

    /// Keeps what the response's side has to know, unless the request alone rules the counter out.
    fn wait(&mut self, index: CounterIndex, request_atoms: &[AtomId], pending: &mut Pending) {
        let sections = self.sections;
        let Some(counter) = sections.counters.planned.get(index as usize) else {
            return;
        };
        let mut truths = 0_u64;
        let mut reached = core::mem::take(&mut self.scratch.counting.reached);
        let may_count = sections
            .programs
            .explore(counter.entry, &mut reached, |atom| {
                let bit = request_atoms.binary_search(&atom).ok()?;
                let is_true = self.is_true(atom);
                truths |= u64::from(is_true) << bit;
                Some(is_true)
            })
            .accept;
        self.scratch.counting.reached = reached;
        if !may_count {
            return;
        }
        self.hash_keys(counter.key);
        if let Some(distinct) = counter.distinct {
            self.hash_keys(distinct);
        }
        let keys = &self.scratch.counting.keys;
        let own = keys.get(counter.key).unwrap_or_default();
        let values = counter.distinct.map(|tuple| keys.get(tuple));
        let values = values.map(Option::unwrap_or_default);
        if own.is_empty() || values.is_some_and(<[u64]>::is_empty) {
            return;
        }
        let waiting = PendingCount {
            counter: index,
            truths,
            keys: pending.keep(own),
            values: values.map(|values| pending.keep(values)),
        };
        pending.counts.push(waiting);
    }

    fn count_waiting(&mut self, waiting: &PendingCount, pending: &Pending) {
        let sections = self.sections;
        let counter = sections.counters.planned.get(waiting.counter as usize);
        let Some((counter, atoms)) =
            counter.and_then(|counter| Some((counter, counter.request_atoms.as_ref()?)))
        else {
            return;
        };
        let counts =
            sections
                .programs
                .run(counter.entry, |atom| match atoms.binary_search(&atom) {
                    Ok(bit) => waiting.truths >> bit & 1 == 1,
                    Err(_) => self.is_true(atom),
                });
        let slice = self.slice(waiting.counter);
        if let Some(store) = self.store.as_deref_mut().filter(|_| counts) {
            let keys = pending.hashes(waiting.keys);
            let values = waiting.values.map(|values| pending.hashes(values));
            note(store, waiting.counter, slice, keys, values);
        }
    }

    /// The greatest value of the request's keys; 0 if it has none, or nothing is kept.
    pub(crate) fn read_counter(&mut self, index: CounterIndex) -> u64 {
        let known = self.scratch.counting.reads.get(index as usize);
        if let Some(value) = known.copied().flatten() {
            return value;
        }
        let Some(counter) = self.sections.counters.planned.get(index as usize) else {
            return 0;
        };
        self.hash_keys(counter.key);
        let slice = self.slice(index);
        let keys = self.scratch.counting.keys.get(counter.key);
        let value = self.store.as_deref_mut().and_then(|store| {
            let keys = keys.unwrap_or_default().iter();
            keys.map(|key| store.read(index, *key, slice)).max()
        });
        let value = value.unwrap_or_default();
        if let Some(slot) = self.scratch.counting.reads.get_mut(index as usize) {
            *slot = Some(value);
        }
        value
    }

    fn slice(&self, index: CounterIndex) -> u64 {
        let definition = self.sections.counters.definition(index);
        definition.map_or(0, |definition| {
            definition.slice_at(self.from.request.time_us)
        })
    }

    /// Hashes the combinations of the values of a list of attributes, unless that was done for this request.
    fn hash_keys(&mut self, tuple: usize) {
        if self.scratch.counting.keys.get(tuple).is_some() {
            return;
        }
        let Some(hash_key) = self.store.as_deref().map(|store| *store.hash_key()) else {
            return;
        };
        let sections = self.sections;
        let attributes = sections.counters.tuples.get(tuple);
        self.scratch.counting.keys.begin();
        let mut attributes = attributes.into_iter().flatten();
        let is_whole = attributes.all(|attribute| {
            self.collect(*attribute);
            self.scratch.counting.keys.end_part()
        });
        let keys = &mut self.scratch.counting.keys;
        if is_whole {
            keys.finish(tuple, &hash_key);
        } else {
            keys.finish_absent(tuple);
        }
    }

    /// Adds the values of an attribute to the part that is being collected.
    fn collect(&mut self, id: AttributeId) {
        let Some(attribute) = self.sections.attributes.get(id) else {
            return;
        };
        match attribute.base.kind() {
            ValueKind::Bytes => {
                let Scratch {
                    values, counting, ..
                } = &mut *self.scratch;
                values.derive(id, attribute, &self.from);
                for value in values.get(id) {
                    counting.keys.add(value);
                }
            }
            ValueKind::Ip => {
                if let Some(address) = self.address(attribute.base) {
                    self.scratch.counting.keys.add_address(address);
                }
            }
            ValueKind::Bool => {
                if let Some(value) = self.from.request.mtls {
                    self.scratch.counting.keys.add(&[u8::from(value)]);
                }
            }
            ValueKind::Time | ValueKind::Int => {}
        }
    }
}

fn note(
    store: &mut dyn CounterStore,
    counter: CounterIndex,
    slice: u64,
    keys: &[u64],
    values: Option<&[u64]>,
) {
    for &key in keys {
        match values {
            None => store.count(counter, key, slice, None),
            Some(values) => values
                .iter()
                .for_each(|value| store.count(counter, key, slice, Some(*value))),
        }
    }
}
