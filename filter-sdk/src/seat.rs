//! A VM's seat among the VMs of its proxy, which the filters of the VM share.

use crate::identity::Nonce;
use crate::namespace::Namespace;
use crate::peers::Peers;

/// Of one namespace. It lives as long as a filter that uses it.
pub(crate) struct Seat {
    pub(crate) peers: Peers,
    pub(crate) vm: Nonce,
    /// All slots were taken when it was tried last.
    is_full: bool,
}

impl Seat {
    pub(crate) fn new(namespace: Namespace, vm: Nonce) -> Seat {
        Seat {
            peers: Peers::new(namespace, vm),
            vm,
            is_full: false,
        }
    }

    /// Notes whether there is no slot for this VM, and says whether that is new.
    pub(crate) fn note_full(&mut self, is_full: bool) -> bool {
        let was_full = std::mem::replace(&mut self.is_full, is_full);
        is_full && !was_full
    }
}
