//! The slots: one for each VM of a proxy, where it says that it lives and what it serves, and a queue to wake it by.
//!
//! There are so many and no more, because neither a key of shared data nor a queue can be deleted. A slot whose VM was not
//! heard of for a while is anybody's.

use super::record::{SlotRecord, VALUE_LEN_MAX};
use super::write_if;
use crate::NS_PER_S;
use crate::host::{Host, HostError};
use crate::identity::Nonce;
use crate::namespace::Namespace;
use riskgate_push_protocol::VmReport;
use riskgate_push_protocol::limits::VMS_MAX;

/// How many VMs of a proxy can have one: as many as a report names.
pub const SLOTS_MAX: u8 = 64;
/// A VM that was not heard of for so long has lost its slot.
pub const STALE_NS: u64 = 5 * NS_PER_S;
/// How often a VM is heard of at least.
const HEARTBEAT_NS: u64 = NS_PER_S;
/// A heartbeat that is farther ahead was forged. All VMs read the same clock, but not at once.
const SKEW_NS: u64 = NS_PER_S;
/// A message is a wake-up and says nothing.
const WAKE_UP: &[u8] = b"w";
/// At most so many messages are taken out of a queue at a time.
const DRAINED_MAX: usize = 1_024;

const _: () = assert!(SLOTS_MAX as usize == VMS_MAX);

/// The slots of a namespace, as one VM sees them.
#[derive(Debug)]
pub struct Slots {
    namespace: Namespace,
    nonce: Nonce,
    own: Option<Own>,
    /// The tokens of the queues, by slot. They are looked up by name, because what a slot says could lead into a queue of
    /// somebody else's.
    queues: [Option<u32>; SLOTS_MAX as usize],
    value: Vec<u8>,
}

#[derive(Debug)]
struct Own {
    slot: u8,
    queue: Option<u32>,
    written: SlotRecord,
}

/// What became of a VM's wish to be heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Its slot says so already.
    Before,
    /// Its slot says so now: who reports should know.
    Now,
    /// All slots are taken by VMs that live.
    Full,
}

impl Slots {
    pub(super) fn new(namespace: Namespace, nonce: Nonce) -> Slots {
        Slots {
            namespace,
            nonce,
            own: None,
            queues: [None; SLOTS_MAX as usize],
            value: Vec::new(),
        }
    }

    /// The number of this VM's slot.
    #[must_use]
    pub fn own(&self) -> Option<u8> {
        self.own.as_ref().map(|own| own.slot)
    }

    /// Says at `now_ns` of the monotonic clock that this VM lives, and what it serves: at once if that has changed, else from
    /// time to time. Takes a slot if it has none.
    ///
    /// # Errors
    ///
    /// When the host refuses shared data.
    pub fn tell(
        &mut self,
        host: &dyn Host,
        now_ns: u64,
        report: &VmReport,
    ) -> Result<Told, HostError> {
        let own = self.own.as_ref().map(|own| &own.written);
        let has_news = own.is_none_or(|written| written.report != *report);
        let age_ns = own.map(|written| now_ns.saturating_sub(written.heartbeat_ns));
        if !has_news && age_ns.is_some_and(|age_ns| age_ns < HEARTBEAT_NS) {
            return Ok(Told::Before);
        }
        let record = SlotRecord {
            heartbeat_ns: now_ns,
            report: report.clone(),
        };
        if !self.renew(host, &record)? && !self.claim(host, &record)? {
            return Ok(Told::Full);
        }
        // A neighbour who registered the queue of that name keeps it no longer than this.
        self.listen(host);
        Ok(if has_news { Told::Now } else { Told::Before })
    }

    /// Lets the root context whose callback runs be woken for this VM.
    pub fn listen(&mut self, host: &dyn Host) {
        if let Some(own) = &mut self.own {
            // Without a queue the VM looks at each tick.
            own.queue = host
                .register_queue(&self.namespace.key(queue_name(own.slot)))
                .ok();
        }
    }

    /// Takes all messages out of this VM's queue, which says that it was woken.
    pub fn drain(&mut self, host: &dyn Host) {
        let queue = self.own.as_ref().and_then(|own| own.queue);
        if let Some(queue) = queue {
            let mut taken = 0..DRAINED_MAX;
            while taken.next().is_some() && host.dequeue(queue, &mut self.value) == Ok(true) {}
        }
    }

    /// The other VMs that live.
    ///
    /// # Errors
    ///
    /// When the host refuses shared data.
    pub fn others(&mut self, host: &dyn Host, now_ns: u64) -> Result<Vec<VmReport>, HostError> {
        let mut others: Vec<VmReport> = Vec::new();
        for slot in 0..SLOTS_MAX {
            let Some(held) = self.read(host, slot)? else {
                // They are taken from the first on, and none can be deleted.
                break;
            };
            let other = held.filter(|held| is_alive(held, now_ns) && held.nonce() != self.nonce);
            // One VM has one slot, whatever a neighbour wrote.
            let other =
                other.filter(|other| others.iter().all(|known| known.vm != other.report.vm));
            others.extend(other.map(|other| other.report));
        }
        Ok(others)
    }

    /// Wakes the VM of a slot.
    pub fn wake(&mut self, host: &dyn Host, slot: u8) {
        let Some(token) = self.queues.get_mut(usize::from(slot)) else {
            return;
        };
        if token.is_none() {
            let name = self.namespace.key(queue_name(slot));
            *token = host.resolve_queue(&name).ok().flatten();
        }
        if let Some(queue) = *token
            && host.enqueue(queue, WAKE_UP).is_err()
        {
            *token = None;
        }
    }

    /// Wakes this VM again soon, after what waits for it by then. False if it can be woken by ticks only.
    pub fn wake_self(&mut self, host: &dyn Host) -> bool {
        let queue = self.own.as_ref().and_then(|own| own.queue);
        queue.is_some_and(|queue| host.enqueue(queue, WAKE_UP).is_ok())
    }

    /// Wakes all other VMs that live: the queue of one that does not would only grow.
    ///
    /// # Errors
    ///
    /// When the host refuses shared data.
    pub fn wake_others(&mut self, host: &dyn Host, now_ns: u64) -> Result<(), HostError> {
        for slot in 0..SLOTS_MAX {
            let Some(held) = self.read(host, slot)? else {
                break;
            };
            if held.is_some_and(|held| is_alive(&held, now_ns) && held.nonce() != self.nonce) {
                self.wake(host, slot);
            }
        }
        Ok(())
    }

    /// Gives this VM's slot back.
    pub fn release(&mut self, host: &dyn Host) {
        let Some(own) = self.own.take() else {
            return;
        };
        let key = self.key(own.slot);
        // Where shared data fails, the slot gets stale by itself.
        if let Ok(Some(version)) = host.shared_data_version(&key, VALUE_LEN_MAX, &mut self.value)
            && SlotRecord::read(&self.value).is_some_and(|held| held.nonce() == self.nonce)
        {
            let _ = host.replace_shared_data(&key, &[], version);
        }
    }

    /// Writes the slot that this VM has, and says whether it still has it.
    fn renew(&mut self, host: &dyn Host, record: &SlotRecord) -> Result<bool, HostError> {
        let Some(slot) = self.own() else {
            return Ok(false);
        };
        if self.take(host, slot, record)? {
            return Ok(true);
        }
        self.own = None;
        Ok(false)
    }

    fn claim(&mut self, host: &dyn Host, record: &SlotRecord) -> Result<bool, HostError> {
        for slot in 0..SLOTS_MAX {
            if self.take(host, slot, record)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a slot unless it is that of another VM that lives, and says whether it could.
    fn take(&mut self, host: &dyn Host, slot: u8, record: &SlotRecord) -> Result<bool, HostError> {
        let key = self.key(slot);
        let version = host.shared_data_version(&key, VALUE_LEN_MAX, &mut self.value)?;
        let held = version.and_then(|_| SlotRecord::read(&self.value));
        let is_taken = held
            .is_some_and(|held| held.nonce() != self.nonce && is_alive(&held, record.heartbeat_ns));
        if is_taken || !write_if(host, &key, &record.write(), version)? {
            return Ok(false);
        }
        let queue = self.own.take().and_then(|own| own.queue);
        self.own = Some(Own {
            slot,
            queue,
            written: record.clone(),
        });
        Ok(true)
    }

    /// What stands in a slot: nothing ever did, or no record does.
    fn read(&mut self, host: &dyn Host, slot: u8) -> Result<Option<Option<SlotRecord>>, HostError> {
        let key = self.key(slot);
        let version = host.shared_data_version(&key, VALUE_LEN_MAX, &mut self.value)?;
        Ok(version.map(|_| SlotRecord::read(&self.value)))
    }

    fn key(&self, slot: u8) -> String {
        self.namespace.key(format_args!("slot/{slot}"))
    }
}

fn queue_name(slot: u8) -> String {
    format!("queue/{slot}")
}

fn is_alive(record: &SlotRecord, now_ns: u64) -> bool {
    let ahead_ns = record.heartbeat_ns.saturating_sub(now_ns);
    now_ns.saturating_sub(record.heartbeat_ns) <= STALE_NS && ahead_ns <= SKEW_NS
}
