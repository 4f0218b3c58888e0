//! What the root contexts of one VM share.

use crate::config::ServingKey;
use crate::host::{Host, HostError};
use crate::identity::{Nonce, random_nonce};
use crate::namespace::Namespace;
use crate::seat::Seat;
use crate::serving::Serving;
use riskgate_engine::trust::TrustedKeys;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// One VM. A shell makes one, and every [`Filter`](crate::Filter) of the VM with it.
///
/// A proxy that is given another plugin configuration makes a new root context beside the old one, in the same VM.
/// So what serves is not the root context's own: filters that judge bundles alike (ruleset, audience, trusted keys
/// and threshold) share it, and a new one decides from its first request on by what the old one had accepted.
///
/// A new one with other keys begins with a copy of what serves under the old ones, if its own keys would have let that
/// in: otherwise adding a key would drop the rules, and let in what is older than they are.
///
/// What serves lives as long as a filter that uses it.
#[derive(Default, Clone)]
pub struct Vm(Rc<Shared>);

#[derive(Default)]
struct Shared {
    nonce: Cell<Option<Nonce>>,
    /// A proxy's main thread has a VM too, which never gets any.
    gets_requests: Cell<bool>,
    slots: Cell<Vec<Slot>>,
    seats: Cell<Vec<(Namespace, Weak<RefCell<Seat>>)>>,
    writers: Cell<Vec<(Namespace, Weak<()>)>>,
}

/// Of the filters of a VM that share one namespace, the newest one acts for it: it has the newest configuration, and those
/// before it end once their requests have.
pub(crate) struct Writer {
    vm: Vm,
    namespace: Namespace,
    token: Rc<()>,
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

    /// The VM's seat in a namespace, which its filters share.
    pub(crate) fn seat(
        &self,
        host: &dyn Host,
        namespace: &Namespace,
    ) -> Result<Rc<RefCell<Seat>>, HostError> {
        let nonce = self.nonce(host)?;
        let mut seats = self.0.seats.take();
        seats.retain(|(_, seat)| seat.strong_count() > 0);
        let held = seats.iter().find(|(held, _)| held == namespace);
        let seat = held
            .and_then(|(_, seat)| seat.upgrade())
            .unwrap_or_else(|| {
                let seat = Rc::new(RefCell::new(Seat::new(namespace.clone(), nonce)));
                seats.push((namespace.clone(), Rc::downgrade(&seat)));
                seat
            });
        self.0.seats.set(seats);
        Ok(seat)
    }

    /// A request came.
    pub(crate) fn note_request(&self) {
        self.0.gets_requests.set(true);
    }

    /// Whether any request came so far.
    pub(crate) fn gets_requests(&self) -> bool {
        self.0.gets_requests.get()
    }

    /// A filter that writes to `namespace` as long as there is no newer one.
    pub(crate) fn writer(&self, namespace: Namespace) -> Writer {
        let mut writers = self.0.writers.take();
        writers.retain(|(_, token)| token.strong_count() > 0);
        let token = Rc::new(());
        writers.push((namespace.clone(), Rc::downgrade(&token)));
        self.0.writers.set(writers);
        Writer {
            vm: self.clone(),
            namespace,
            token,
        }
    }

    /// What serves under `key`: that of the other filters with this key, or else what `trust`, which belongs to `key`,
    /// would have let in of what serves under others.
    pub(crate) fn serving(&self, key: ServingKey, trust: &TrustedKeys) -> Rc<RefCell<Serving>> {
        let mut slots = self.0.slots.take();
        slots.retain(|slot| slot.serving.strong_count() > 0);
        let held = slots
            .iter()
            .find(|slot| slot.key == key)
            .and_then(|slot| slot.serving.upgrade());
        let serving = held.unwrap_or_else(|| {
            let serving = Rc::new(RefCell::new(adopt(&slots, &key, trust)));
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

impl Writer {
    /// Whether it is this one that acts now.
    pub(crate) fn writes(&self) -> bool {
        let writers = self.vm.0.writers.take();
        let mut alive = writers
            .iter()
            .rev()
            .filter(|(namespace, token)| *namespace == self.namespace && token.strong_count() > 0);
        let newest = alive.next().map(|(_, token)| token.as_ptr());
        let writes = newest == Some(Rc::as_ptr(&self.token));
        self.vm.0.writers.set(writers);
        writes
    }
}

/// A copy of the newest ruleset for the addressee of `key` that verifies under `trust`; nothing if none does, so that
/// removing a stolen key undoes what it signed.
fn adopt(slots: &[Slot], key: &ServingKey, trust: &TrustedKeys) -> Serving {
    slots
        .iter()
        .filter(|slot| slot.key.is_addressed_as(key))
        .filter_map(|slot| slot.serving.upgrade())
        // What is in use now belongs to a callback that this one runs inside of, which no proxy should bring about.
        .filter_map(|serving| serving.try_borrow().ok()?.adopted_under(trust))
        .max_by_key(Serving::precedence)
        .unwrap_or_default()
}
