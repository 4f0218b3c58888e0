//! Who may sign: trusted keys, the threshold, and what exactly is signed.
//!
//! The payload is DSSE's pre-authentication encoding, so that a signature over a manifest can never be one over
//! anything else.

use alloc::format;
use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::admission::Refusal;
use crate::bundle::{Bundle, Head, Signature};

/// DSSE payload type of a manifest.
pub const PAYLOAD_TYPE: &str = "application/vnd.riskgate.manifest.v1";

/// The keys whose signatures count, and how many of them are needed.
#[derive(Debug, Clone)]
pub struct TrustedKeys {
    keys: Vec<([u8; 32], VerifyingKey)>,
    threshold: usize,
}

/// What is wrong with a set of trusted keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("no trusted key is given; without one no bundle can be trusted")]
    Empty,
    #[error("trusted key {index} is not an Ed25519 public key; `rulec keygen` makes one")]
    NotAKey { index: usize },
    #[error(
        "trusted key {index} is weak: anybody can sign for it; make another with `rulec keygen`"
    )]
    Weak { index: usize },
    #[error("trusted key {index} is given twice; give each key once")]
    Duplicate { index: usize },
    #[error(
        "the threshold is {threshold}, but must be from 1 to the number of trusted keys, {keys}"
    )]
    Threshold { threshold: u32, keys: usize },
}

impl TrustedKeys {
    /// Takes raw Ed25519 public keys.
    ///
    /// # Errors
    ///
    /// An empty set, a weak, malformed or doubled key, and a threshold that no bundle, or every bundle, would meet.
    pub fn new(keys: &[[u8; 32]], threshold: u32) -> Result<TrustedKeys, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        let mut trusted: Vec<([u8; 32], VerifyingKey)> = Vec::with_capacity(keys.len());
        for (index, bytes) in keys.iter().enumerate() {
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAKey { index })?;
            if key.is_weak() {
                return Err(KeyError::Weak { index });
            }
            let id = key_id(bytes);
            if trusted.iter().any(|(other, _)| *other == id) {
                return Err(KeyError::Duplicate { index });
            }
            trusted.push((id, key));
        }
        match usize::try_from(threshold) {
            Ok(needed) if (1..=trusted.len()).contains(&needed) => Ok(TrustedKeys {
                keys: trusted,
                threshold: needed,
            }),
            _ => Err(KeyError::Threshold {
                threshold,
                keys: trusted.len(),
            }),
        }
    }

    /// Checks that enough trusted keys have signed the bundle's manifest.
    ///
    /// # Errors
    ///
    /// One bad signature under a trusted key refuses the bundle; signatures of unknown keys are ignored.
    pub fn verify(&self, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        self.verify_head(bundle.head())
    }

    /// As [`TrustedKeys::verify`], of a head that stands alone.
    ///
    /// # Errors
    ///
    /// As [`TrustedKeys::verify`].
    pub fn verify_head(&self, head: &Head<'_>) -> Result<(), Refusal> {
        self.verify_manifest(head.manifest_bytes(), head.signatures())
    }

    /// As [`TrustedKeys::verify`], of a manifest that was kept with its signatures.
    pub(crate) fn verify_manifest(
        &self,
        manifest: &[u8],
        signatures: &[Signature],
    ) -> Result<(), Refusal> {
        let payload = signing_payload(manifest);
        let mut valid = 0;
        for signature in signatures {
            let Some((_, key)) = self.keys.iter().find(|(id, _)| *id == signature.key_id) else {
                continue;
            };
            let parsed = ed25519_dalek::Signature::from_bytes(&signature.bytes);
            key.verify_strict(&payload, &parsed)
                .map_err(|_| Refusal::BadSignature)?;
            valid += 1;
        }
        if valid < self.threshold {
            return Err(Refusal::Untrusted {
                valid,
                threshold: self.threshold,
            });
        }
        Ok(())
    }
}

/// What a signature names its key by: SHA-256 of the raw public key.
#[must_use]
pub fn key_id(public_key: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(public_key).into()
}

/// What is signed: DSSE's PAE over the payload type and the manifest.
#[must_use]
pub fn signing_payload(manifest: &[u8]) -> Vec<u8> {
    let header = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        manifest.len()
    );
    let mut payload = header.into_bytes();
    payload.extend_from_slice(manifest);
    payload
}
