//! Which Envoys fetch configurations, and what they said to the last one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use riskgate_push_protocol::Delivery;

use crate::listing::Listing;

/// All open streams.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    of: BTreeMap<u64, Arc<[Delivery]>>,
}

/// One open stream; when this is dropped, it is no longer listed.
#[derive(Debug)]
pub(super) struct Listed {
    deliveries: Arc<Deliveries>,
    number: u64,
}

impl Deliveries {
    pub(super) fn list(self: &Arc<Self>) -> Listed {
        let mut streams = self.lock();
        let number = streams.next;
        streams.next += 1;
        Listed {
            deliveries: Arc::clone(self),
            number,
        }
    }

    /// Ordered by node and resource; of one ruleset only, if it is given.
    pub(crate) fn all(&self, ruleset: Option<&str>) -> Listing<Delivery> {
        let mut shared: Vec<Arc<[Delivery]>> = self.lock().of.values().cloned().collect();
        if let Some(ruleset) = ruleset {
            let is_wanted = |delivery: &&Delivery| delivery.ruleset == ruleset;
            for deliveries in &mut shared {
                *deliveries = deliveries.iter().filter(is_wanted).cloned().collect();
            }
        }
        let mut listing = Listing::of(&shared);
        let deliveries = &mut listing.entries;
        deliveries.sort_by(|a, b| (&a.node, &a.resource).cmp(&(&b.node, &b.resource)));
        listing
    }

    /// A panic elsewhere leaves the map whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    pub(super) fn update(&self, deliveries: Vec<Delivery>) {
        let before = self
            .deliveries
            .lock()
            .of
            .insert(self.number, deliveries.into());
        drop(before);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.deliveries.lock().of.remove(&self.number);
    }
}
