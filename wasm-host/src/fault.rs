//! Answers that a good host would not give.

use std::collections::HashMap;

/// What a call does instead of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers this status.
    Status(u32),
    /// Succeeds, and returns these bytes in place of the true ones.
    Buffer(Vec<u8>),
    /// Succeeds, and says that a returned buffer is here.
    Pointer {
        /// Address in the VM's memory.
        data: u32,
        /// Length in bytes.
        len: u32,
    },
    /// Does its work, and returns this number in place of the true one.
    Number(u64),
    /// Does its work, but runs a callback of the VM before: a proxy that does not wait until the VM returns.
    Callback {
        /// The export, `proxy_on_tick` for example.
        name: String,
        /// Its arguments, the context first.
        args: Vec<u32>,
    },
    /// The VM traps.
    Trap,
}

/// The faults of one proxy.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// By name of the call: after how many good answers, and what then.
    by_call: HashMap<String, (u32, Fault)>,
    calls_back: bool,
}

impl Faults {
    pub(crate) fn inject(&mut self, call: &str, after: u32, fault: Fault) {
        self.by_call.insert(call.to_owned(), (after, fault));
    }

    pub(crate) fn heal(&mut self, call: &str) {
        self.by_call.remove(call);
    }

    /// A callback of the VM begins or ends inside of a call. None begins inside of another, or they would never end.
    pub(crate) fn set_calling_back(&mut self, calls_back: bool) {
        self.calls_back = calls_back;
    }

    /// What was injected into a call, if its good answers are over.
    pub(crate) fn next(&mut self, call: &str) -> Option<Fault> {
        match self.by_call.get_mut(call)? {
            (0, fault) => Some(fault.clone()),
            (after, _) => {
                *after -= 1;
                None
            }
        }
    }

    /// Whether a fault can come about now.
    pub(crate) fn allows(&self, fault: &Fault) -> bool {
        !self.calls_back || !matches!(fault, Fault::Callback { .. })
    }
}
