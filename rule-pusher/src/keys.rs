//! Trusted keys from files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ed25519_dalek::{VerifyingKey, pkcs8::DecodePublicKey};
use riskgate_engine::trust::{KeyError, TrustedKeys};

/// Why the trusted keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the key {path:?}: {error}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds no public key.
    #[error(
        "{path:?} is no Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`); \
         `rulec keygen` writes one beside the private key",
        path = .path.display()
    )]
    NotAPublicKey {
        /// The file.
        path: PathBuf,
    },
    /// The keys make no set to trust.
    #[error("{error}; the keys are numbered in the order of `--trust`")]
    Set {
        /// Why.
        #[from]
        error: KeyError,
    },
}

/// Reads public keys in PEM (SubjectPublicKeyInfo), of which `threshold` must have signed.
///
/// # Errors
///
/// Names the file that is unreadable or no public key, or tells why the set is unusable.
pub fn read_trusted_keys(paths: &[PathBuf], threshold: u32) -> Result<TrustedKeys, KeysError> {
    let keys = paths.iter().map(|path| read_public_key(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(TrustedKeys::new(&keys, threshold)?)
}

fn read_public_key(path: &Path) -> Result<[u8; 32], KeysError> {
    let pem = fs::read_to_string(path).map_err(|error| KeysError::Read { path: path.to_owned(), error })?;
    match VerifyingKey::from_public_key_pem(&pem) {
        Ok(key) => Ok(key.to_bytes()),
        Err(_) => Err(KeysError::NotAPublicKey { path: path.to_owned() }),
    }
}
