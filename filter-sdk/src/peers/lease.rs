//! The lease: which VM of a proxy keeps the stream.
//!
//! One record in shared data, written by compare-and-swap only. Who holds it renews it long before its deadline; past that
//! it is anybody's. So a VM that trapped, hangs or is gone loses it by itself.

use super::record::{LeaseRecord, VALUE_LEN_MAX};
use super::write_if;
use crate::NS_PER_S;
use crate::host::{Host, HostError};
use crate::identity::Nonce;

/// How long a lease lasts that nobody renews.
pub const LEASE_NS: u64 = 3 * NS_PER_S;
/// The holder renews it once it is so old.
const RENEWAL_NS: u64 = NS_PER_S;
/// A deadline that is farther ahead than a lease lasts was forged. All VMs read the same clock, but not at once.
const SKEW_NS: u64 = NS_PER_S;
/// How often it is tried again when another VM was faster.
const TRIES: u32 = 3;

/// A VM's view of the lease.
#[derive(Debug)]
pub struct Lease {
    key: String,
    nonce: Nonce,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: u64,
    deadline_ns: u64,
}

/// Who holds the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This VM, since the epoch.
    This {
        /// The monotonic clock when the VM took the lease: no later holder has a lower one. Nothing that was read in shared
        /// data goes into it, so nobody can drive it up.
        epoch: u64,
    },
    /// Another VM, which can be woken at its slot if it has one.
    Other {
        /// The number of that slot.
        slot: Option<u8>,
    },
    /// Nobody, as far as this VM can tell.
    Nobody,
}

impl Lease {
    /// The lease under `key`, as the VM named `nonce` sees it.
    pub(super) fn new(key: String, nonce: Nonce) -> Lease {
        Lease {
            key,
            nonce,
            held: None,
        }
    }

    /// Takes the lease if nobody has it, renews it if this VM does, and says who holds it at `now_ns` of the monotonic clock.
    /// `slot` is where this VM can be woken.
    ///
    /// # Errors
    ///
    /// When the host refuses shared data.
    pub fn seek(
        &mut self,
        host: &dyn Host,
        now_ns: u64,
        slot: Option<u8>,
    ) -> Result<Holder, HostError> {
        let mut value = Vec::new();
        for _ in 0..TRIES {
            let version = host.shared_data_version(&self.key, VALUE_LEN_MAX, &mut value)?;
            let record = version.and_then(|_| LeaseRecord::read(&value));
            if let Some(other) = record.filter(|record| self.is_of_another(record, now_ns)) {
                self.held = None;
                return Ok(Holder::Other { slot: other.slot });
            }
            let is_intact = record.is_some_and(|record| self.is_own(&record));
            // What ran out and does not stand there any more may have been another's since.
            let held = self
                .held
                .filter(|held| is_intact || now_ns < held.deadline_ns);
            let held = held.unwrap_or(Held {
                epoch: now_ns.max(1),
                deadline_ns: 0,
            });
            let epoch = held.epoch;
            let renewed_ns = held.deadline_ns.saturating_sub(LEASE_NS);
            if is_intact && now_ns < renewed_ns.saturating_add(RENEWAL_NS) {
                return Ok(Holder::This { epoch });
            }
            let deadline_ns = now_ns.saturating_add(LEASE_NS);
            let record = LeaseRecord {
                holder: self.nonce,
                slot,
                epoch,
                deadline_ns,
            };
            if write_if(host, &self.key, &record.write(), version)? {
                self.held = Some(Held { epoch, deadline_ns });
                return Ok(Holder::This { epoch });
            }
        }
        Ok(self.after_contention(now_ns))
    }

    /// Gives the lease back, so that another VM can take it at once.
    pub fn release(&mut self, host: &dyn Host) {
        let mut value = Vec::new();
        // Where shared data fails, the lease runs out by itself.
        if let Ok(Some(version)) = host.shared_data_version(&self.key, VALUE_LEN_MAX, &mut value)
            && LeaseRecord::read(&value).is_some_and(|record| self.is_own(&record))
        {
            let _ = host.replace_shared_data(&self.key, &[], version);
        }
        self.held = None;
    }

    /// The epoch of this VM's lease, if it held it when it last looked and the deadline is to come.
    #[must_use]
    pub fn held_epoch(&self, now_ns: u64) -> Option<u64> {
        let held = self.held.filter(|held| now_ns < held.deadline_ns)?;
        Some(held.epoch)
    }

    /// Others were faster again and again: what this VM has it keeps until it runs out.
    fn after_contention(&self, now_ns: u64) -> Holder {
        let epoch = self.held_epoch(now_ns);
        epoch.map_or(Holder::Nobody, |epoch| Holder::This { epoch })
    }

    fn is_own(&self, record: &LeaseRecord) -> bool {
        let epoch = self.held.map(|held| held.epoch);
        record.holder == self.nonce && Some(record.epoch) == epoch
    }

    fn is_of_another(&self, record: &LeaseRecord, now_ns: u64) -> bool {
        let ends_after = record.deadline_ns.checked_sub(now_ns);
        let is_valid = ends_after.is_some_and(|left| left > 0 && left <= LEASE_NS + SKEW_NS);
        is_valid && record.holder != self.nonce
    }
}
