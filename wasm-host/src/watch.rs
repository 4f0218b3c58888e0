//! Faults that depend on what a VM asks for.

use crate::fault::Fault;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A call that a VM makes of its proxy, before anything of it is done.
#[derive(Debug, Clone, Copy)]
pub struct HostCall<'c> {
    /// The number of the VM in its process; 0 for one that is alone.
    pub vm: usize,
    /// In which callback of the VM: `proxy_on_tick` for example.
    pub callback: &'c str,
    /// `proxy_set_shared_data` for example. `proxy_on_memory_allocate` is the memory that the VM is to give for what a call
    /// returns: a status in its place is null.
    pub name: &'c str,
    /// As the module passes them; those of 32 bits are extended with zeros.
    pub args: &'c [u64],
    pub(crate) memory: &'c [u8],
}

impl<'c> HostCall<'c> {
    /// The bytes whose address is the argument at `place`, from 0, and whose length is the one after it; `None` if there are
    /// no such arguments, or no such bytes in the VM's memory.
    pub fn bytes(&self, place: usize) -> Option<&'c [u8]> {
        let start = usize::try_from(*self.args.get(place)?).ok()?;
        let len = usize::try_from(*self.args.get(place + 1)?).ok()?;
        self.memory.get(start..start.checked_add(len)?)
    }
}

/// What a test does with each call. It may be that of several VMs.
#[derive(Clone)]
pub(crate) struct Watcher(Arc<Mutex<Watch>>);

type Watch = dyn FnMut(&HostCall<'_>) -> Option<Fault> + Send;

impl Watcher {
    pub(crate) fn new(
        watch: impl FnMut(&HostCall<'_>) -> Option<Fault> + Send + 'static,
    ) -> Watcher {
        Watcher(Arc::new(Mutex::new(watch)))
    }

    pub(crate) fn fault(&self, call: &HostCall<'_>) -> Option<Fault> {
        // One that panicked before has failed its test already.
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watch(call)
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Watcher")
    }
}
