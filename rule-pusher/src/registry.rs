//! Who is connected, and what each VM made of its bundle.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use riskgate_push_protocol::VmStatus;

use crate::catalogue::Topic;

/// All open streams.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    /// Shared, so that nothing long is copied while the lock is held.
    vms: BTreeMap<u64, Arc<VmStatus>>,
}

/// One open stream; when this is dropped, its VM is no longer listed.
#[derive(Debug)]
pub(crate) struct Listed {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    pub(crate) fn list(self: &Arc<Self>, vm: VmStatus) -> Listed {
        let vm = Arc::new(vm);
        let mut streams = self.lock();
        let number = streams.next;
        streams.next += 1;
        streams.vms.insert(number, vm);
        Listed {
            registry: Arc::clone(self),
            number,
        }
    }

    /// Ordered by node, instance and VM; of one ruleset only, if it is given.
    pub(crate) fn vms(&self, ruleset: Option<&str>) -> Vec<VmStatus> {
        let wanted = |vm: &&Arc<VmStatus>| ruleset.is_none_or(|ruleset| vm.ruleset == ruleset);
        let shared: Vec<_> = self.lock().vms.values().filter(wanted).cloned().collect();
        let mut vms: Vec<VmStatus> = shared.into_iter().map(Arc::unwrap_or_clone).collect();
        vms.sort_by(|a, b| (&a.node, a.instance, a.vm).cmp(&(&b.node, b.instance, b.vm)));
        vms
    }

    /// How many streams subscribe to a topic.
    pub(crate) fn count(&self, topic: &Topic) -> usize {
        let of_topic =
            |vm: &&Arc<VmStatus>| vm.ruleset == topic.ruleset && vm.audience == topic.audience;
        self.lock().vms.values().filter(of_topic).count()
    }

    /// A panic elsewhere leaves the map whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    pub(crate) fn update(&self, vm: VmStatus) {
        let vm = Arc::new(vm);
        let before = self.registry.lock().vms.insert(self.number, vm);
        drop(before);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.registry.lock().vms.remove(&self.number);
    }
}
