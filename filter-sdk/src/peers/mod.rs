//! The VMs of a proxy and how they come to have one stream between them.
//!
//! Envoy has a VM of the filter on its main thread and one on each worker. All of one namespace stand in a table of slots in
//! shared data, and one of them holds the lease and with it the stream. docs/decisions/one-stream-per-proxy.md tells the
//! reasons.
//!
//! Nothing here decides a request. Neighbours with the same `vm_id` can read, forge and erase all of it: the worst that comes
//! of that is that the proxy hears of a new bundle late, or that the push service shows VMs that are none.

mod lease;
mod record;
mod slots;

pub use lease::{Holder, LEASE_NS, Lease};
pub use slots::{SLOTS_MAX, STALE_NS, Slots, Told};

use crate::host::{Host, HostError, Version};
use crate::identity::Nonce;
use crate::namespace::Namespace;
use riskgate_push_protocol::VmReport;

/// Of a VM without others there is only one stream.
const EPOCH_ALONE: u64 = 1;

/// One VM among those of its namespace.
#[derive(Debug)]
pub struct Peers {
    lease: Lease,
    slots: Slots,
    /// Since when shared data fails, by the monotonic clock.
    failing_since_ns: Option<u64>,
}

/// What a VM is to do about the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Keep the stream for all.
    Holder {
        /// Rises from holder to holder.
        epoch: u64,
    },
    /// Leave it to the VM that can be woken at this slot, if any can.
    Follower {
        /// The number of the slot.
        holder: Option<u8>,
    },
    /// Keep a stream of its own: the host lets it share nothing.
    Alone,
}

/// What came of one look at the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// What the VM is to do.
    pub role: Role,
    /// Whether the others can know what the VM serves.
    pub told: Told,
}

impl Peers {
    /// The VM named `nonce` among those of `namespace`.
    #[must_use]
    pub fn new(namespace: Namespace, nonce: Nonce) -> Peers {
        Peers {
            lease: Lease::new(namespace.key("lease"), nonce),
            slots: Slots::new(namespace, nonce),
            failing_since_ns: None,
        }
    }

    /// Says that this VM lives and what it serves, and finds out whether the stream is its to keep. It is to be called each
    /// 100 ms, and when something has changed.
    pub fn turn(&mut self, host: &dyn Host, report: &VmReport) -> Turn {
        let Ok(now_ns) = host.monotonic_ns() else {
            return Turn::ALONE;
        };
        match self.look(host, now_ns, report) {
            Ok(turn) => {
                self.failing_since_ns = None;
                turn
            }
            Err(_) => self.without_shared_data(now_ns),
        }
    }

    /// Other VMs that live.
    pub fn others(&mut self, host: &dyn Host) -> Vec<VmReport> {
        let now_ns = host.monotonic_ns();
        let others = now_ns.and_then(|now_ns| self.slots.others(host, now_ns));
        others.unwrap_or_default()
    }

    /// Lets the other VMs look for something new at once.
    pub fn wake_others(&mut self, host: &dyn Host) {
        // Where that fails, they look at their next tick.
        let now_ns = host.monotonic_ns();
        let _ = now_ns.and_then(|now_ns| self.slots.wake_others(host, now_ns));
    }

    /// The slots themselves.
    pub fn slots(&mut self) -> &mut Slots {
        &mut self.slots
    }

    /// Lets another VM have the stream.
    pub fn release_lease(&mut self, host: &dyn Host) {
        self.lease.release(host);
    }

    /// This VM serves nobody any more.
    pub fn leave(&mut self, host: &dyn Host) {
        self.lease.release(host);
        self.slots.release(host);
    }

    fn look(&mut self, host: &dyn Host, now_ns: u64, report: &VmReport) -> Result<Turn, HostError> {
        let told = self.slots.tell(host, now_ns, report)?;
        let role = match self.lease.seek(host, now_ns, self.slots.own())? {
            Holder::This { epoch } => Role::Holder { epoch },
            Holder::Other { slot } => Role::Follower { holder: slot },
            Holder::Nobody => Role::Follower { holder: None },
        };
        Ok(Turn { role, told })
    }

    /// A failure that passes is none; after as long as a lease lasts, the VM helps itself.
    fn without_shared_data(&mut self, now_ns: u64) -> Turn {
        let since_ns = *self.failing_since_ns.get_or_insert(now_ns);
        let role = match self.lease.held_epoch(now_ns) {
            Some(epoch) => Role::Holder { epoch },
            None if now_ns.saturating_sub(since_ns) < LEASE_NS => Role::Follower { holder: None },
            None => Role::Alone,
        };
        Turn {
            role,
            told: Told::Before,
        }
    }
}

impl Role {
    /// The epoch that its stream is opened with; `None` if it has none.
    #[must_use]
    pub fn epoch(self) -> Option<u64> {
        match self {
            Role::Holder { epoch } => Some(epoch),
            Role::Alone => Some(EPOCH_ALONE),
            Role::Follower { .. } => None,
        }
    }
}

impl Turn {
    const ALONE: Turn = Turn {
        role: Role::Alone,
        told: Told::Before,
    };
}

/// Writes where what is there is still what `version` says: that version, or nothing.
fn write_if(
    host: &dyn Host,
    key: &str,
    value: &[u8],
    version: Option<Version>,
) -> Result<bool, HostError> {
    match version {
        None => host.create_shared_data(key, value),
        Some(version) => host.replace_shared_data(key, value, version),
    }
}
