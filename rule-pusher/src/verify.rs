//! Whether filters would load a bundle, decided by the engine that they run.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use ed25519_dalek::VerifyingKey;
use riskgate_engine::{
    admission::{Admission, Mark, Refusal},
    bundle::{self, Bundle, Manifest, Signature},
    ruleset::Ruleset,
    trust::{KeyError, TrustedKeys, key_id, signing_payload},
};
use riskgate_push_protocol::{BundleId, Digest, KeyId, SectionHash};

use crate::catalogue::{Publication, Section, Topic};

/// Verifies bundles under a fixed set of trusted keys.
#[derive(Debug)]
pub struct Verifier {
    trust: TrustedKeys,
    /// The same keys by their ids, for signatures that are looked at one by one.
    keys: BTreeMap<[u8; 32], VerifyingKey>,
}

/// What a bundle in the store still is, after a restart.
#[derive(Debug)]
pub struct Stored {
    /// The topic's highest accepted bundle. One whose signatures count no more, because a key was withdrawn, holds nothing
    /// back.
    pub mark: Option<Mark>,
    /// The bundle, if filters would still load it, now or when its time comes.
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
    /// Verifies under these raw Ed25519 public keys from now on, of which `threshold` must have signed.
    ///
    /// # Errors
    ///
    /// As [`TrustedKeys::new`].
    pub fn new(keys: &[[u8; 32]], threshold: u32) -> Result<Self, KeyError> {
        let trust = TrustedKeys::new(keys, threshold)?;
        let by_id = |key| Some((key_id(key), VerifyingKey::from_bytes(key).ok()?));
        let keys = keys.iter().filter_map(by_id).collect();
        Ok(Self { trust, keys })
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
    /// Whatever the clock reads by now, a bundle whose time has come before is served on: what an expired one means is for
    /// each filter to decide, by the bundle's `on_expired`, and one that is not valid yet was so before the clock was set back.
    #[must_use]
    pub fn resume(&self, file: &[u8], published_at_ms: u64, now_ms: u64) -> Stored {
        let bundle = Bundle::parse(file).ok();
        let signed = bundle.filter(|bundle| self.trust.verify(bundle).is_ok());
        let mark = signed.as_ref().map(mark_of);
        let start_s = signed.map_or(0, |bundle| bundle.manifest().not_before_s);
        let publication = self.load(file, mark, now_ms.max(start_s.saturating_mul(1000)));
        Stored {
            mark,
            publication: publication.map(|fresh| Publication {
                published_at_ms,
                ..fresh
            }),
        }
    }

    /// Weighs single signatures of this bundle's manifest.
    pub(crate) fn scale(&self, bundle: &Bundle<'_>) -> impl Fn(&Signature) -> Weight + use<'_> {
        let payload = signing_payload(bundle.manifest_bytes());
        move |signature| {
            let Some(key) = self.keys.get(&signature.key_id) else {
                return Weight::UnknownKey;
            };
            let bytes = ed25519_dalek::Signature::from_bytes(&signature.bytes);
            match key.verify_strict(&payload, &bytes) {
                Ok(()) => Weight::Counts,
                Err(_) => Weight::Bad,
            }
        }
    }

    /// Of signatures that nobody looked at.
    pub(crate) fn unknown_keys(&self, file: &[u8]) -> Vec<KeyId> {
        let bundle = Bundle::parse(file);
        let signatures = bundle.iter().flat_map(|bundle| bundle.signatures());
        let unknown = signatures.filter(|signature| !self.keys.contains_key(&signature.key_id));
        unknown.map(|signature| KeyId(signature.key_id)).collect()
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
        let payload = Bytes::from(admission.admit(file)?.bundle().without_detached());
        let admitted = admission.admit(&payload)?;
        Ruleset::load(&admitted)?;
        let Manifest {
            revision,
            issued_at_s,
            not_before_s,
            expires_at_s,
            restores,
            ..
        } = *admitted.bundle().manifest();
        let digest = Digest(admitted.bundle().digest().0);
        let bundle = BundleId { revision, digest };
        let sections = sections(admitted.bundle(), &payload);
        let travel = sections.iter().filter(|section| !section.bytes.is_empty());
        let mut hashes: Vec<SectionHash> = travel.map(|section| section.hash).collect();
        hashes.sort_unstable();
        Ok(Publication {
            topic,
            bundle,
            head: admitted.bundle().head().to_bytes().into(),
            sections,
            hashes: hashes.into(),
            payload,
            published_at_ms: now_ms,
            issued_at_s,
            not_before_s,
            expires_at_s,
            restores: restores.map(|digest| Digest(digest.0)),
        })
    }
}

fn mark_of(bundle: &Bundle<'_>) -> Mark {
    let Manifest {
        revision,
        issued_at_s,
        ..
    } = *bundle.manifest();
    Mark {
        revision,
        digest: bundle.digest(),
        issued_at_s,
    }
}

/// The sections as parts of the payload, each different one once.
fn sections(bundle: &Bundle<'_>, payload: &Bytes) -> Vec<Section> {
    let mut known = HashSet::new();
    let section = |section: &bundle::Section<'_>| {
        let bytes = section.bytes.filter(|_| known.insert(section.hash));
        Section {
            hash: SectionHash(section.hash),
            bytes: bytes.map_or_else(Bytes::new, |bytes| payload.slice_ref(bytes)),
        }
    };
    bundle.sections().iter().map(section).collect()
}

fn topic(manifest: &Manifest<'_>) -> Topic {
    Topic {
        ruleset: manifest.ruleset.to_owned(),
        audience: manifest.audience.map(ToOwned::to_owned),
    }
}
