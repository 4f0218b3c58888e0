//! Signatures that join a bundle after it was built, by a key at hand or by a key management service.
//!
//! ```no_run
//! use riskgate_compiler::{keys, signing::Signing};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::read("storefront.bundle")?;
//! let mut signing = Signing::open(&file)?;
//! signing.sign(&keys::read_signing_key("second-team.pem".as_ref())?)?;
//! std::fs::write("storefront.bundle", signing.finish()?)?;
//! # Ok(())
//! # }
//! ```
//!
//! The manifest stays as it is, and so does the digest. No signature that is good is ever taken away or replaced.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use riskgate_engine::bundle::{Bundle, BundleError, MAX_SIGNATURES, Signature};
use riskgate_engine::trust::{KeyError, TrustedKeys, key_id, signing_payload};
use thiserror::Error;

use crate::build::{LoadError, load_unverified};

/// A bundle that is being signed.
#[derive(Debug)]
pub struct Signing<'b> {
    bundle: Bundle<'b>,
    signatures: Vec<Signature>,
}

/// What became of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It is in the bundle now.
    Added,
    /// A good one by the same key was there, and stays.
    Already,
    /// A bad one by the same key was there, and made room.
    Replaced,
}

/// Why a signature does not join the bundle.
#[derive(Debug, Error)]
pub enum SigningError {
    /// Filters would refuse the key.
    #[error("the key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The signature is not by this key, or is over something else.
    #[error(
        "the signature is not one by this key over this bundle; let the key sign what `rulec sign --print-payload` writes, as plain Ed25519 over the bytes themselves"
    )]
    Bad,
    /// There is no room for it.
    #[error(
        "the bundle has {MAX_SIGNATURES} signatures, as many as it may have; sign one that is built anew with the keys that count"
    )]
    TooMany,
}

impl<'b> Signing<'b> {
    /// Takes a bundle with its signatures. Who made them is not asked.
    ///
    /// # Errors
    ///
    /// When no filter could load it, whoever signed it: nobody should sign that.
    pub fn open(file: &'b [u8]) -> Result<Signing<'b>, LoadError> {
        load_unverified(file, None)?;
        let bundle = Bundle::parse(file)?;
        let signatures = bundle.signatures().to_vec();
        Ok(Signing { bundle, signatures })
    }

    /// The bundle as it was opened.
    #[must_use]
    pub fn bundle(&self) -> &Bundle<'b> {
        &self.bundle
    }

    /// The bytes that each key signs.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        signing_payload(self.bundle.manifest_bytes())
    }

    /// The ids of the keys whose signatures are there by now.
    pub fn key_ids(&self) -> impl Iterator<Item = [u8; 32]> {
        self.signatures.iter().map(|signature| signature.key_id)
    }

    /// Signs with a key.
    ///
    /// # Errors
    ///
    /// When filters would refuse the key, or there is no room.
    pub fn sign(&mut self, key: &SigningKey) -> Result<Signed, SigningError> {
        let signature = key.sign(&self.payload()).to_bytes();
        self.attach(&key.verifying_key().to_bytes(), &signature)
    }

    /// Adds a signature that was made elsewhere, once it is verified as filters verify it.
    ///
    /// # Errors
    ///
    /// When filters would refuse the key or the signature, or there is no room.
    pub fn attach(
        &mut self,
        public_key: &[u8; 32],
        signature: &[u8; 64],
    ) -> Result<Signed, SigningError> {
        TrustedKeys::new(&[*public_key], 1)?;
        if !self.is_good(public_key, signature) {
            return Err(SigningError::Bad);
        }
        let new = Signature {
            key_id: key_id(public_key),
            bytes: *signature,
        };
        let of_key = |held: &Signature| held.key_id == new.key_id;
        match self.signatures.iter().position(of_key) {
            None if self.signatures.len() >= MAX_SIGNATURES as usize => Err(SigningError::TooMany),
            None => {
                self.signatures.push(new);
                Ok(Signed::Added)
            }
            Some(at) => Ok(self.renew(at, public_key, new)),
        }
    }

    /// The file with all of them.
    ///
    /// # Errors
    ///
    /// When the file would be too long.
    pub fn finish(self) -> Result<Vec<u8>, BundleError> {
        self.bundle.with_signatures(self.signatures)
    }

    /// A key may sign the same bytes in several ways, so that another signature alone is no reason to change a file.
    fn renew(&mut self, at: usize, public_key: &[u8; 32], new: Signature) -> Signed {
        let held = self.signatures.get(at).map(|held| held.bytes);
        if held.is_some_and(|held| self.is_good(public_key, &held)) {
            return Signed::Already;
        }
        if let Some(held) = self.signatures.get_mut(at) {
            *held = new;
        }
        Signed::Replaced
    }

    fn is_good(&self, public_key: &[u8; 32], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(public_key)
            .is_ok_and(|key| key.verify_strict(&self.payload(), &signature).is_ok())
    }
}
