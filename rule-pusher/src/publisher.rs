//! A publication, from its bytes to every stream: verified, then on disk, then pushed.

use std::{collections::BTreeMap, sync::Arc};

use riskgate_engine::{
    admission::{Mark, Refusal},
    bundle::Bundle,
};
use riskgate_push_protocol::KeyId;
use tokio::{sync::Mutex, task::spawn_blocking};
use tracing::{info, warn};

use crate::{
    catalogue::{Catalogue, Publication, Topic},
    clock::Clock,
    merge::{Merged, with_signatures_of_both},
    store::{Store, StoreError, StoredBundle},
    verify::Verifier,
};

/// The highest accepted bundle of each topic.
type Marks = BTreeMap<Topic, Mark>;

/// The only one that changes the store and the catalogue, one publication at a time.
pub(crate) struct Publisher {
    store: Store,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
    catalogue: Catalogue,
    marks: Arc<Mutex<Marks>>,
}

/// What became of a publication.
pub(crate) struct Accepted {
    pub(crate) publication: Arc<Publication>,
    /// The same file was published before.
    pub(crate) unchanged: bool,
    pub(crate) signatures: Unverified,
}

/// Of signatures that cannot be checked here, the keys.
#[derive(Default)]
pub(crate) struct Unverified {
    /// They are not in what is served.
    pub(crate) left_out: Vec<KeyId>,
    /// They are.
    pub(crate) kept: Vec<KeyId>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("{code}: {0}", code = .0.code())]
    Refused(Refusal),
    #[error(transparent)]
    Store(StoreError),
    #[error("the verification failed unexpectedly; the log of the pusher tells more")]
    Died,
}

impl Publisher {
    /// Verifies again whatever the store holds; what no longer verifies is not served.
    pub(crate) fn restore(
        store: Store,
        verifier: Verifier,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let mut marks = Marks::new();
        let mut publications = Vec::new();
        for stored in store.bundles()? {
            let topic = stored.topic.clone();
            let (mark, publication) = resume(&verifier, stored, clock.now_ms());
            publications.extend(publication);
            marks.extend(mark.map(|mark| (topic, mark)));
        }
        let (catalogue, marks) = (Catalogue::new(publications), Arc::new(Mutex::new(marks)));
        Ok(Self {
            store,
            verifier,
            clock,
            catalogue,
            marks,
        })
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Once begun it runs to its end, even if the one who publishes goes away.
    pub(crate) async fn publish(self: &Arc<Self>, file: Vec<u8>) -> Result<Accepted, PublishError> {
        let this = Arc::clone(self);
        let mut marks = Arc::clone(&self.marks).lock_owned().await;
        let outcome = spawn_blocking(move || this.publish_blocking(&file, &mut marks)).await;
        outcome.map_err(|_| PublishError::Died).flatten()
    }

    fn publish_blocking(&self, file: &[u8], marks: &mut Marks) -> Result<Accepted, PublishError> {
        let topic = Verifier::claimed_topic(file).map_err(PublishError::Refused)?;
        let mark = marks.get(&topic).copied();
        let accept = |file: &[u8]| {
            let accepted = self.verifier.accept(file, mark, self.clock.now_ms());
            accepted.map_err(PublishError::Refused)
        };
        let given = accept(file)?;
        if let Some(current) = self.served_already(&given) {
            return Ok(self.unchanged(current, Vec::new()));
        }
        let merged = self.merged(&topic, file)?;
        let (file, publication, left_out) = match &merged {
            Some(Merged { file, left_out }) => (file.as_slice(), accept(file)?, left_out.clone()),
            None => (file, given, Vec::new()),
        };
        if let Some(current) = self.served_already(&publication) {
            return Ok(self.unchanged(current, left_out));
        }
        let signatures = self.unverified(&publication, left_out);
        self.store
            .put(&topic, file, publication.published_at_ms)
            .map_err(PublishError::Store)?;
        marks.insert(topic, publication.mark());
        let restores = publication.restores.map(tracing::field::display);
        info!(topic = %publication.topic, bundle = %publication.bundle, bytes = file.len(), restores, "published");
        let publication = self.catalogue.publish(publication);
        Ok(Accepted {
            publication,
            unchanged: false,
            signatures,
        })
    }

    fn unchanged(&self, publication: Arc<Publication>, left_out: Vec<KeyId>) -> Accepted {
        let signatures = self.unverified(&publication, left_out);
        Accepted {
            publication,
            unchanged: true,
            signatures,
        }
    }

    fn unverified(&self, publication: &Publication, left_out: Vec<KeyId>) -> Unverified {
        let kept = self.verifier.unknown_keys(&publication.payload);
        let topic = &publication.topic;
        for key in &left_out {
            warn!(%topic, %key, "a signature was left out: its key is not trusted here");
        }
        for key in &kept {
            warn!(%topic, %key, "a signature was not checked: its key is not trusted here");
        }
        Unverified { left_out, kept }
    }

    /// A file of the manifest that is stored already keeps the signatures that are stored with it.
    fn merged(&self, topic: &Topic, file: &[u8]) -> Result<Option<Merged>, PublishError> {
        let malformed = |error| PublishError::Refused(Refusal::Malformed(error));
        let stored = self.store.file(topic).map_err(PublishError::Store)?;
        let stored = stored.as_deref().map(Bundle::parse);
        let Some(Ok(stored)) = stored else {
            return Ok(None);
        };
        let published = Bundle::parse(file).map_err(malformed)?;
        if stored.digest() != published.digest() || stored.check_sections().is_err() {
            return Ok(None);
        }
        with_signatures_of_both(&self.verifier, &stored, &published)
            .map(Some)
            .map_err(malformed)
    }

    /// The same contents with more signatures are news: filters may trust those only.
    fn served_already(&self, publication: &Publication) -> Option<Arc<Publication>> {
        let current = self.catalogue.snapshot().get(&publication.topic).cloned()?;
        (current.payload == publication.payload).then_some(current)
    }
}

fn resume(
    verifier: &Verifier,
    stored: StoredBundle,
    now_ms: u64,
) -> (Option<Mark>, Option<Publication>) {
    let StoredBundle {
        topic,
        published_at_ms,
        file,
    } = stored;
    if Verifier::claimed_topic(&file).is_ok_and(|claimed| claimed != topic) {
        warn!(%topic, "a stored bundle is of another topic and is not served; was the store altered?");
        return (None, None);
    }
    let resumed = verifier.resume(&file, published_at_ms, now_ms);
    match &resumed.publication {
        Err(refusal) => {
            warn!(%topic, code = refusal.code(), "a stored bundle is not served: {refusal}");
        }
        Ok(publication) if publication.not_before_s > now_ms / 1000 => {
            warn!(%topic, bundle = %publication.bundle, "serving a stored bundle that is not valid yet; was the clock here set back?");
        }
        Ok(publication) if publication.expires_at_s <= now_ms / 1000 => {
            warn!(%topic, bundle = %publication.bundle, "a stored bundle has expired; publish a new one");
        }
        Ok(publication) => info!(%topic, bundle = %publication.bundle, "serving a stored bundle"),
    }
    (resumed.mark, resumed.publication.ok())
}
