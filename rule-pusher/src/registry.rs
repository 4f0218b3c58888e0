//! Who is connected, and what each VM made of its bundle.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use riskgate_push_protocol::{InstanceId, VmId, VmStatus};
use tokio::sync::oneshot;

use crate::{catalogue::Topic, listing::Listing};

/// All open streams.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    streams: BTreeMap<u64, Stream>,
    /// The stream of each instance and topic.
    current: HashMap<(InstanceId, Topic), Current>,
}

#[derive(Debug)]
struct Stream {
    topic: Topic,
    /// Shared, so that nothing long is copied while the lock is held.
    vms: Arc<[VmStatus]>,
}

#[derive(Debug)]
struct Current {
    number: u64,
    lease: Lease,
    /// Dropped when another stream takes this one's place.
    _replaced: oneshot::Sender<()>,
}

/// Under what a VM holds the stream of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) vm: VmId,
    pub(crate) epoch: u64,
}

/// One open stream; when this is dropped, its VMs are no longer listed.
#[derive(Debug)]
pub(crate) struct Listed {
    registry: Arc<Registry>,
    number: u64,
    instance: (InstanceId, Topic),
}

/// Another VM of the instance holds the stream, under a lease that is not older.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outdated;

impl Registry {
    /// Lists the stream of an instance in the place of an older one of the same instance and topic. The receiver ends
    /// when another takes this one's place in turn.
    pub(crate) fn list(
        self: &Arc<Self>,
        instance: InstanceId,
        topic: &Topic,
        lease: Lease,
        vms: Vec<VmStatus>,
    ) -> Result<(Listed, oneshot::Receiver<()>), Outdated> {
        let vms = Arc::from(vms);
        let key = (instance, topic.clone());
        let (_replaced, replaced) = oneshot::channel();
        let mut streams = self.lock();
        let before = streams.current.get(&key);
        if before.is_some_and(|before| !lease.replaces(before.lease)) {
            return Err(Outdated);
        }
        let before = before.map(|before| before.number);
        let before = before.and_then(|number| streams.streams.remove(&number));
        let number = streams.add(topic.clone(), vms);
        let current = Current {
            number,
            lease,
            _replaced,
        };
        streams.current.insert(key.clone(), current);
        drop(streams);
        drop(before);
        let listed = Listed {
            registry: Arc::clone(self),
            number,
            instance: key,
        };
        Ok((listed, replaced))
    }

    /// Ordered by node, instance and VM; of one ruleset only, if it is given.
    pub(crate) fn vms(&self, ruleset: Option<&str>) -> Listing<VmStatus> {
        let wanted =
            |stream: &&Stream| ruleset.is_none_or(|ruleset| stream.topic.ruleset == ruleset);
        let shared: Vec<_> = {
            let streams = self.lock();
            let wanted = streams.streams.values().filter(wanted);
            wanted.map(|stream| Arc::clone(&stream.vms)).collect()
        };
        let mut listing = Listing::of(&shared);
        let vms = &mut listing.entries;
        vms.sort_by(|a, b| (&a.node, a.instance, a.vm).cmp(&(&b.node, b.instance, b.vm)));
        listing
    }

    /// How many streams subscribe to a topic.
    pub(crate) fn count(&self, topic: &Topic) -> usize {
        let streams = self.lock();
        let of_topic = streams
            .streams
            .values()
            .filter(|stream| stream.topic == *topic);
        of_topic.count()
    }

    /// A panic elsewhere leaves the maps whole: they change in few steps, none of which calls anything that could fail.
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn add(&mut self, topic: Topic, vms: Arc<[VmStatus]>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.streams.insert(number, Stream { topic, vms });
        number
    }
}

impl Lease {
    /// The same VM under the same lease connects again before its old connection is known to be dead.
    fn replaces(self, before: Lease) -> bool {
        self.epoch > before.epoch || self == before
    }
}

impl Listed {
    /// A stream whose place was taken is no longer listed, whatever is still said on it.
    pub(crate) fn update(&self, vms: Vec<VmStatus>) {
        let mut vms: Arc<[VmStatus]> = Arc::from(vms);
        let mut streams = self.registry.lock();
        if let Some(stream) = streams.streams.get_mut(&self.number) {
            std::mem::swap(&mut stream.vms, &mut vms);
        }
        drop(streams);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut streams = self.registry.lock();
        streams.streams.remove(&self.number);
        let current = streams.current.get(&self.instance);
        if current.is_some_and(|current| current.number == self.number) {
            streams.current.remove(&self.instance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: InstanceId = InstanceId([1; 16]);

    fn topic(ruleset: &str) -> Topic {
        Topic {
            ruleset: ruleset.to_owned(),
            audience: None,
        }
    }

    fn lease(vm: u8, epoch: u64) -> Lease {
        Lease {
            vm: VmId([vm; 16]),
            epoch,
        }
    }

    fn open(
        registry: &Arc<Registry>,
        ruleset: &str,
        lease: Lease,
    ) -> Result<(Listed, oneshot::Receiver<()>), Outdated> {
        registry.list(INSTANCE, &topic(ruleset), lease, Vec::new())
    }

    #[test]
    fn the_highest_epoch_of_an_instance_and_topic_stays() {
        let registry = Arc::new(Registry::default());
        let (first, mut first_replaced) = open(&registry, "storefront", lease(1, 5)).unwrap();
        assert_eq!(
            open(&registry, "storefront", lease(2, 4)).unwrap_err(),
            Outdated
        );
        assert_eq!(
            open(&registry, "storefront", lease(2, 5)).unwrap_err(),
            Outdated
        );
        let (_other_topic, _) = open(&registry, "payments", lease(2, 1)).unwrap();
        assert_eq!(
            first_replaced.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        );

        let (second, mut second_replaced) = open(&registry, "storefront", lease(2, 6)).unwrap();
        assert_eq!(
            first_replaced.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        assert_eq!(registry.count(&topic("storefront")), 1);
        drop(first);
        assert_eq!(
            second_replaced.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        );
        assert_eq!(
            open(&registry, "storefront", lease(1, 5)).unwrap_err(),
            Outdated
        );
        let (again, _) = open(&registry, "storefront", lease(2, 6)).unwrap();
        assert_eq!(
            second_replaced.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        drop(second);
        assert_eq!(registry.count(&topic("storefront")), 1);

        // Only open streams count: a lease need not be remembered for those that are gone.
        drop(again);
        assert_eq!(registry.count(&topic("storefront")), 0);
        open(&registry, "storefront", lease(1, 1)).unwrap();
    }
}
