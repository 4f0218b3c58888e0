//! What the root contexts of one VM share.

use crate::config::ServingKey;
use crate::host::{Host, HostError};
use crate::identity::{Nonce, random_nonce};
use crate::serving::Serving;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// One VM. A shell makes one, and every [`Filter`](crate::Filter) of the VM with it.
///
/// A proxy that is given another plugin configuration makes a new root context beside the old one, in the same VM.
/// So what serves is not the root context's own: filters that judge bundles alike (ruleset, audience, trusted keys
/// and threshold) share it, and a new one decides from its first request on by what the old one had accepted.
///
/// What serves lives as long as a filter that uses it.
#[derive(Default, Clone)]
pub struct Vm(Rc<Shared>);

#[derive(Default)]
struct Shared {
    nonce: Cell<Option<Nonce>>,
    slots: Cell<Vec<Slot>>,
}

struct Slot {
    key: ServingKey,
    serving: Weak<RefCell<Serving>>,
}

impl Vm {
    /// The VM's random name.
    pub(crate) fn nonce(&self, host: &dyn Host) -> Result<Nonce, HostError> {
        if let Some(nonce) = self.0.nonce.get() {
            return Ok(nonce);
        }
        let nonce = random_nonce(host)?;
        self.0.nonce.set(Some(nonce));
        Ok(nonce)
    }

    /// What serves under `key`: that of the other filters with this key, or nothing yet.
    pub(crate) fn serving(&self, key: ServingKey) -> Rc<RefCell<Serving>> {
        let mut slots = self.0.slots.take();
        slots.retain(|slot| slot.serving.strong_count() > 0);
        let held = slots
            .iter()
            .find(|slot| slot.key == key)
            .and_then(|slot| slot.serving.upgrade());
        let serving = held.unwrap_or_else(|| {
            let serving = Rc::default();
            slots.push(Slot {
                key,
                serving: Rc::downgrade(&serving),
            });
            serving
        });
        self.0.slots.set(slots);
        serving
    }
}
