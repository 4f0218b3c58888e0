//! Trusted keys from files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ed25519_dalek::{VerifyingKey, pkcs8::DecodePublicKey};
use riskgate_engine::trust::KeyError;

use crate::verify::Verifier;

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
    /// One of the keys cannot be trusted beside the others.
    #[error("{error} ({path:?})", path = .path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The keys make no set to trust.
    #[error("{0}; give `--trust` more often, or another `--threshold`")]
    Set(KeyError),
}

/// Reads public keys in PEM (SubjectPublicKeyInfo), of which `threshold` must have signed.
///
/// # Errors
///
/// Names the file that is unreadable or no public key, or tells why the set is unusable.
pub fn read_verifier(paths: &[PathBuf], threshold: u32) -> Result<Verifier, KeysError> {
    let keys = paths
        .iter()
        .map(|path| read_public_key(path))
        .collect::<Result<Vec<_>, _>>()?;
    Verifier::new(&keys, threshold).map_err(|error| blame(paths, error))
}

fn read_public_key(path: &Path) -> Result<[u8; 32], KeysError> {
    let file = fs::read(path).map_err(|error| KeysError::Read {
        path: path.to_owned(),
        error,
    })?;
    let key = str::from_utf8(&file)
        .ok()
        .and_then(|pem| VerifyingKey::from_public_key_pem(pem).ok());
    key.map(|key| key.to_bytes())
        .ok_or_else(|| KeysError::NotAPublicKey {
            path: path.to_owned(),
        })
}

/// Names the file of the key that is wrong, where it is one of them.
fn blame(paths: &[PathBuf], error: KeyError) -> KeysError {
    let index = match error {
        KeyError::NotAKey { index } | KeyError::Weak { index } | KeyError::Duplicate { index } => {
            Some(index)
        }
        KeyError::Empty | KeyError::Threshold { .. } => None,
    };
    match index.and_then(|index| paths.get(index)) {
        Some(path) => KeysError::Key {
            path: path.clone(),
            error,
        },
        None => KeysError::Set(error),
    }
}
