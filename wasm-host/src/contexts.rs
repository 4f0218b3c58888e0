//! The contexts of a VM, and which of them acts.

use std::collections::BTreeMap;

/// Contexts by id.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    /// Their parents; 0 is that of a root context.
    parents: BTreeMap<u32, u32>,
    acting: Acting,
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

    pub(crate) fn delete(&mut self, id: u32) {
        self.parents.remove(&id);
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
