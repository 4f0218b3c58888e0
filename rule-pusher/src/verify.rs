//! Whether filters would load a bundle, decided by the engine that they run.

use riskgate_engine::{
    admission::{Admission, Mark, Refusal},
    bundle::{Bundle, BundleError, Manifest, Signature},
    ruleset::Ruleset,
    trust::TrustedKeys,
};
use riskgate_push_protocol::{BundleId, Digest};

use crate::catalogue::{Publication, Topic};

/// Verifies bundles under a fixed set of trusted keys.
#[derive(Debug)]
pub struct Verifier {
    trust: TrustedKeys,
}

/// What a bundle in the store still is, after a restart.
#[derive(Debug)]
pub struct Stored {
    /// The topic's highest accepted bundle, if its signatures still count.
    pub mark: Option<Mark>,
    /// The bundle, if filters would still load it as their first one.
    pub publication: Result<Publication, Refusal>,
}

/// What one signature is worth here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It is good, and by a trusted key.
    Counts,
    /// Its key is not trusted here, so nobody looked at it.
    UnknownKey,
    /// It is by a trusted key, and does not verify.
    Bad,
}

impl Verifier {
    /// Verifies under these keys from now on.
    #[must_use]
    pub fn new(trust: TrustedKeys) -> Self {
        Self { trust }
    }

    /// The topic that a bundle claims, and its digest. Nothing of it is trusted yet.
    ///
    /// # Errors
    ///
    /// If the bytes are no bundle.
    pub fn claimed_topic(file: &[u8]) -> Result<Topic, Refusal> {
        Bundle::parse(file)
            .map(|bundle| topic(bundle.manifest()))
            .map_err(Refusal::Malformed)
    }

    /// Takes a new bundle if every filter of its topic would, given the highest one accepted before.
    ///
    /// # Errors
    ///
    /// What a filter would refuse it with. An expired one is refused even as the first.
    pub fn accept(
        &self,
        file: &[u8],
        mark: Option<Mark>,
        now_ms: u64,
    ) -> Result<Publication, Refusal> {
        let publication = self.load(file, mark, now_ms)?;
        let ago_s = (now_ms / 1000).checked_sub(publication.expires_at_s);
        ago_s.map_or(Ok(publication), |ago_s| Err(Refusal::Expired { ago_s }))
    }

    /// Verifies a bundle that was accepted at another time, perhaps under other keys.
    ///
    /// An expired one is served on: what that means is for each filter to decide, by the bundle's `on_expired`.
    #[must_use]
    pub fn resume(&self, file: &[u8], published_at_ms: u64, now_ms: u64) -> Stored {
        let mark = self.mark_of(file);
        let publication = self.load(file, mark, now_ms);
        Stored {
            mark,
            publication: publication.map(|fresh| Publication {
                published_at_ms,
                ..fresh
            }),
        }
    }

    /// Looks at one signature of a bundle as if it were the only one.
    pub(crate) fn weigh(
        &self,
        bundle: &Bundle<'_>,
        signature: Signature,
    ) -> Result<Weight, BundleError> {
        let alone = bundle.with_signatures(vec![signature])?;
        Ok(match self.trust.verify(&Bundle::parse(&alone)?) {
            Ok(()) | Err(Refusal::Untrusted { valid: 1, .. }) => Weight::Counts,
            Err(Refusal::Untrusted { .. }) => Weight::UnknownKey,
            Err(_) => Weight::Bad,
        })
    }

    /// A stored bundle whose signatures count no more, because a key was withdrawn, holds nothing back.
    fn mark_of(&self, file: &[u8]) -> Option<Mark> {
        let bundle = Bundle::parse(file).ok()?;
        self.trust.verify(&bundle).ok()?;
        let Manifest {
            revision,
            issued_at_s,
            ..
        } = *bundle.manifest();
        Some(Mark {
            revision,
            digest: bundle.digest(),
            issued_at_s,
        })
    }

    /// The whole file is checked, and then what filters get of it, as they will check it.
    fn load(&self, file: &[u8], mark: Option<Mark>, now_ms: u64) -> Result<Publication, Refusal> {
        let topic = Self::claimed_topic(file)?;
        let admission = Admission {
            trust: &self.trust,
            ruleset: &topic.ruleset,
            audience: topic.audience.as_deref(),
            min_revision: 0,
            now_s: now_ms / 1000,
            mark,
        };
        let payload = admission.admit(file)?.bundle().without_detached();
        let admitted = admission.admit(&payload)?;
        Ruleset::load(&admitted)?;
        let Manifest {
            revision,
            issued_at_s,
            expires_at_s,
            ..
        } = *admitted.bundle().manifest();
        let digest = Digest(admitted.bundle().digest().0);
        let bundle = BundleId { revision, digest };
        Ok(Publication {
            topic,
            bundle,
            payload: payload.into(),
            published_at_ms: now_ms,
            issued_at_s,
            expires_at_s,
        })
    }
}

fn topic(manifest: &Manifest<'_>) -> Topic {
    Topic {
        ruleset: manifest.ruleset.to_owned(),
        audience: manifest.audience.map(ToOwned::to_owned),
    }
}
