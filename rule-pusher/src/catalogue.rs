//! What is published: the newest bundle of each topic, as one snapshot that every stream watches.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use riskgate_engine::{admission::Mark, bundle};
use riskgate_push_protocol::{BundleId, Digest, SectionHash};
use tokio::sync::watch;

/// What a filter subscribes to, and a bundle is published for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The ruleset's name.
    pub ruleset: String,
    /// Whom it is for; none is a topic of its own.
    pub audience: Option<String>,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.ruleset)?;
        self.audience
            .iter()
            .try_for_each(|audience| write!(f, " for `{audience}`"))
    }
}

/// A verified bundle as it goes to filters.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The topic that its manifest names.
    pub topic: Topic,
    /// The bundle.
    pub bundle: BundleId,
    /// The file without its detached sections, shared by all streams.
    pub payload: Bytes,
    /// Header, manifest, signatures and section table of the payload.
    pub head: Bytes,
    /// In the order of the section table.
    pub sections: Vec<Section>,
    /// Of all sections that travel, in ascending order.
    pub hashes: Arc<[SectionHash]>,
    /// Unix time in milliseconds.
    pub published_at_ms: u64,
    /// Unix time in seconds.
    pub issued_at_s: u64,
    /// Unix time in seconds.
    pub not_before_s: u64,
    /// Unix time in seconds.
    pub expires_at_s: u64,
    /// Of an emergency rollback: the digest of the bundle whose rules it brought back.
    pub restores: Option<Digest>,
}

/// A section of a publication.
#[derive(Clone, Debug)]
pub struct Section {
    /// Of its bytes.
    pub hash: SectionHash,
    /// A part of the payload; empty if nothing travels: the section is empty or detached, or the same as an earlier one.
    pub bytes: Bytes,
}

impl Publication {
    /// Places in the section table of what an instance lacks that holds these sections, which are in ascending order.
    pub(crate) fn sections_beyond(&self, held: &[SectionHash]) -> Vec<u32> {
        let places = (0_u32..).zip(&self.sections);
        let lacking = places.filter(|(_, section)| {
            !section.bytes.is_empty() && held.binary_search(&section.hash).is_err()
        });
        lacking.map(|(place, _)| place).collect()
    }

    /// What later publications of the topic are measured against.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let BundleId { revision, digest } = self.bundle;
        Mark {
            revision,
            digest: bundle::Digest(digest.0),
            issued_at_s: self.issued_at_s,
        }
    }
}

/// The newest publication of each topic.
pub(crate) type Snapshot = Arc<BTreeMap<Topic, Arc<Publication>>>;

/// The one place that says what is published now.
#[derive(Debug)]
pub(crate) struct Catalogue {
    current: watch::Sender<Snapshot>,
}

impl Catalogue {
    pub(crate) fn new(publications: impl IntoIterator<Item = Publication>) -> Self {
        let by_topic =
            |publication: Publication| (publication.topic.clone(), Arc::new(publication));
        let current = Arc::new(publications.into_iter().map(by_topic).collect());
        Self {
            current: watch::Sender::new(current),
        }
    }

    /// Replaces the topic's publication and wakes every stream.
    pub(crate) fn publish(&self, publication: Publication) -> Arc<Publication> {
        let publication = Arc::new(publication);
        self.current.send_modify(|current| {
            Arc::make_mut(current).insert(publication.topic.clone(), Arc::clone(&publication));
        });
        publication
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.current.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot> {
        self.current.subscribe()
    }
}
