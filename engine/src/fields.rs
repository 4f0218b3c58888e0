//! The headers, query arguments, cookies, claims or fields of the body of one request, by their names.

use alloc::vec::Vec;

use crate::names::{NameId, Names};
use crate::strings::Strings;

/// Where a value lies: a range of the arena, or the index of a header or claim as its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// One field; those of one name are a chain, in the request's order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) place: Span,
    next: Option<u32>,
}

/// The fields of one base that rules name.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) is_sorted: bool,
    /// The names that the request has, in order of first appearance.
    pub(crate) order: Vec<NameId>,
    generation: u32,
    chains: Vec<Chain>,
    fields: Vec<Field>,
}

/// The fields of one name, and the request that they are of.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    generation: u32,
    first: u32,
    last: u32,
}

impl Fields {
    pub(crate) fn clear(&mut self, generation: u32, names: &Names) {
        self.is_sorted = names.is_empty();
        self.generation = generation;
        self.order.clear();
        self.fields.clear();
        self.chains.resize(names.count() as usize, Chain::default());
    }

    /// Forgets what was found of this request.
    pub(crate) fn forget(&mut self) {
        self.fields.clear();
        for name in self.order.drain(..) {
            if let Some(chain) = self.chains.get_mut(name as usize) {
                *chain = Chain::default();
            }
        }
    }

    pub(crate) fn first(&self, name: NameId) -> Option<Field> {
        let chain = self.chains.get(name as usize)?;
        let is_of_this = chain.generation == self.generation;
        is_of_this
            .then(|| self.fields.get(chain.first as usize).copied())
            .flatten()
    }

    pub(crate) fn after(&self, field: Field) -> Option<Field> {
        self.fields.get(field.next? as usize).copied()
    }

    pub(crate) fn push(&mut self, name: NameId, place: Span) {
        let index = u32::try_from(self.fields.len()).unwrap_or(u32::MAX);
        let Some(chain) = self.chains.get_mut(name as usize) else {
            return;
        };
        if chain.generation == self.generation {
            if let Some(last) = self.fields.get_mut(chain.last as usize) {
                last.next = Some(index);
            }
            chain.last = index;
        } else {
            *chain = Chain {
                generation: self.generation,
                first: index,
                last: index,
            };
            self.order.push(name);
        }
        self.fields.push(Field { place, next: None });
    }

    /// Headers, claims and custom attributes stay where they are: their place is their index.
    pub(crate) fn sort_named(
        &mut self,
        named: &[(&[u8], &[u8])],
        names: &Names,
        strings: &Strings,
    ) {
        self.is_sorted = true;
        for (start, (name, _)) in named.iter().enumerate() {
            if let Some(name) = names.find(name, strings) {
                self.push(name, Span { start, end: start });
            }
        }
    }
}
