//! The contexts of a VM, and which of them acts.

use std::collections::{BTreeMap, BTreeSet};

/// Contexts by id.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    /// Their parents; 0 is that of a root context.
    parents: BTreeMap<u32, u32>,
    last_id: u32,
    acting: Acting,
    /// Root contexts that were told to end and are not done yet.
    draining: BTreeSet<u32>,
    /// Root contexts that said that they are done, and have not been deleted yet.
    finished: BTreeSet<u32>,
}

/// On whose behalf the VM makes its calls.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Acting {
    /// Whose callback runs.
    callback: u32,
    /// Whom the VM put in its place.
    effective: Option<u32>,
}

impl Contexts {
    pub(crate) fn create(&mut self, id: u32, parent: u32) {
        self.parents.insert(id, parent);
    }

    /// An id that no context has: as in Envoy, the next one.
    pub(crate) fn allocate(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.parents.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(crate) fn delete(&mut self, id: u32) {
        self.parents.remove(&id);
        self.draining.remove(&id);
        self.finished.remove(&id);
    }

    /// Context 0 is the VM's own.
    pub(crate) fn exists(&self, id: u32) -> bool {
        id == 0 || self.parents.contains_key(&id)
    }

    /// The root context of a context, or else itself.
    pub(crate) fn root_of(&self, id: u32) -> u32 {
        match self.parents.get(&id) {
            None | Some(0) => id,
            Some(parent) => *parent,
        }
    }

    pub(crate) fn acting(&self) -> u32 {
        let effective = self.acting.effective.filter(|id| self.exists(*id));
        effective.unwrap_or(self.acting.callback)
    }

    /// The root context of the one that acts.
    pub(crate) fn acting_root(&self) -> u32 {
        self.root_of(self.acting())
    }

    /// A context that was told to end is not done yet.
    pub(crate) fn drain(&mut self, id: u32) {
        self.draining.insert(id);
    }

    /// A context says that it is done; `false` if it was not told to end.
    pub(crate) fn finish(&mut self, id: u32) -> bool {
        self.draining.remove(&id) && self.finished.insert(id)
    }

    /// A context that said that it is done, to be deleted.
    pub(crate) fn take_finished(&mut self) -> Option<u32> {
        self.finished.pop_first()
    }

    /// A callback of a context begins; what this returns ends it.
    pub(crate) fn enter(&mut self, id: u32) -> Acting {
        let begun = Acting {
            callback: id,
            effective: None,
        };
        std::mem::replace(&mut self.acting, begun)
    }

    /// A callback ends.
    pub(crate) fn leave(&mut self, before: Acting) {
        self.acting = before;
    }

    /// Another context acts until the callback ends; `false` if there is no such context.
    pub(crate) fn set_effective(&mut self, id: u32) -> bool {
        let exists = self.exists(id);
        if exists {
            self.acting.effective = Some(id).filter(|id| *id != 0);
        }
        exists
    }
}
