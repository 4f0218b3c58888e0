//! Signing keys in PEM files, as `openssl genpkey -algorithm ed25519` writes them.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    KeypairBytes,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use thiserror::Error;

/// What is wrong with a key file.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyFileError {
    #[error("cannot read key `{}`: {source}; it must be a file that this user can read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write key `{}`: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{}` exists already; a key is never overwritten, choose another name or remove it", path.display())]
    Exists { path: PathBuf },
    #[error("no random numbers are to be had from the system: {0}")]
    Random(getrandom::Error),
    #[error("`{}` is not an Ed25519 private key in PKCS#8 PEM; make one with `rulec keygen`", path.display())]
    NotPrivate { path: PathBuf },
    #[error("`{}` is a public key, but signing takes the private one", path.display())]
    PublicInstead { path: PathBuf },
    #[error("`{}` is not an Ed25519 public key in PEM; `rulec keygen` writes one beside the private key", path.display())]
    NotPublic { path: PathBuf },
    #[error("`{}` is a private key; give the public one, and keep this file to the signer", path.display())]
    PrivateInstead { path: PathBuf },
    #[error("the key cannot be written as PEM")]
    Encode,
}

/// Reads a private key.
///
/// # Errors
///
/// When the file cannot be read or holds something else.
pub fn read_signing_key(path: &Path) -> Result<SigningKey, KeyFileError> {
    let pem = read(path)?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
        let path = path.to_owned();
        if pem.contains("PUBLIC KEY") {
            KeyFileError::PublicInstead { path }
        } else {
            KeyFileError::NotPrivate { path }
        }
    })
}

/// Reads a public key, as its raw 32 bytes.
///
/// # Errors
///
/// When the file cannot be read or holds something else.
pub fn read_public_key(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let pem = read(path)?;
    let key = VerifyingKey::from_public_key_pem(&pem).map_err(|_| {
        let path = path.to_owned();
        if pem.contains("PRIVATE KEY") {
            KeyFileError::PrivateInstead { path }
        } else {
            KeyFileError::NotPublic { path }
        }
    })?;
    Ok(key.to_bytes())
}

/// Makes a key pair: the private key at `path`, readable by its owner only, and the public one beside it as
/// `NAME.pub.pem`. Returns the path of the public key.
///
/// # Errors
///
/// When either file exists or cannot be written; then neither is left behind by this call.
pub fn generate(path: &Path) -> Result<PathBuf, KeyFileError> {
    let mut secret_key = [0; 32];
    getrandom::fill(&mut secret_key).map_err(KeyFileError::Random)?;
    let signing_key = SigningKey::from_bytes(&secret_key);
    // Without the public half: OpenSSL reads only version 1 of PKCS#8.
    let private_pem = KeypairBytes {
        secret_key,
        public_key: None,
    }
    .to_pkcs8_pem(LineEnding::LF)
    .map_err(|_| KeyFileError::Encode)?;
    let public_pem = signing_key
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .map_err(|_| KeyFileError::Encode)?;
    let public_path = public_path(path);
    create(&public_path, &public_pem, 0o644)?;
    if let Err(error) = create(path, &private_pem, 0o600) {
        // A public key without its private one is of no use; a failure to remove it changes nothing else.
        let _ = std::fs::remove_file(&public_path);
        return Err(error);
    }
    Ok(public_path)
}

/// `NAME.pub.pem` for `NAME.pem` and for `NAME`.
fn public_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let stem = name.as_bytes().strip_suffix(b".pem");
    let mut public = stem.map_or(name, OsStr::from_bytes).to_owned();
    public.push(".pub.pem");
    path.with_file_name(public)
}

fn create(path: &Path, contents: &str, mode: u32) -> Result<(), KeyFileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|source| {
            let path = path.to_owned();
            if source.kind() == io::ErrorKind::AlreadyExists {
                KeyFileError::Exists { path }
            } else {
                KeyFileError::Write { path, source }
            }
        })?;
    let written = file
        .write_all(contents.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|source| {
        let _ = std::fs::remove_file(path);
        KeyFileError::Write {
            path: path.to_owned(),
            source,
        }
    })
}

fn read(path: &Path) -> Result<String, KeyFileError> {
    std::fs::read_to_string(path).map_err(|source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    })
}
