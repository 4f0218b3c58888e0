//! An emergency rollback: the rules of an old bundle under a new, higher revision.
//!
//! Filters never go back to a lower revision, so that nobody can make them by sending an old file again. Who may sign brings old
//! rules back by signing them anew, and the manifest says whose they are.

use riskgate_engine::admission::Refusal;
use riskgate_engine::bundle::{Bundle, BundleError, Manifest, writer};
use riskgate_engine::trust::TrustedKeys;
use thiserror::Error;

use crate::build::{LoadError, load_unverified};

/// What the new bundle says otherwise than the old one.
#[derive(Debug, Clone, Copy)]
pub struct RollbackOptions {
    /// Above that of the old bundle, and above what filters have accepted since.
    pub revision: u64,
    /// Unix time. The new bundle lives from then on for as long as the old one did.
    pub issued_at_s: u64,
}

/// Why no rollback was made.
#[derive(Debug, Error)]
pub enum RollbackError {
    /// The old file is none that a filter could load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is not known who wrote the old rules.
    #[error("{0} [{code}]", code = .0.code())]
    Untrusted(Refusal),
    /// Filters would take it for an old one.
    #[error(
        "its revision is {old} itself; give a `--revision` above that of the bundle that serves now"
    )]
    NotHigher {
        /// Of the old bundle.
        old: u64,
    },
    /// A limit of the format is passed.
    #[error("the bundle cannot be written: {0}")]
    Bundle(#[from] BundleError),
}

/// The sections of the old bundle, byte for byte, under a new manifest that names its digest. It has no signature yet.
///
/// The old bundle may have expired, but enough of the trusted keys must have signed it: a file that somebody altered is not
/// signed again by mistake.
///
/// # Errors
///
/// See [`RollbackError`].
pub fn roll_back(
    old: &[u8],
    trust: &TrustedKeys,
    options: &RollbackOptions,
) -> Result<Vec<u8>, RollbackError> {
    let bundle = Bundle::parse(old).map_err(LoadError::Bundle)?;
    trust.verify(&bundle).map_err(RollbackError::Untrusted)?;
    load_unverified(old, None)?;
    let manifest = *bundle.manifest();
    if options.revision <= manifest.revision {
        return Err(RollbackError::NotHigher {
            old: manifest.revision,
        });
    }
    let life_s = manifest.expires_at_s.saturating_sub(manifest.not_before_s);
    let new = Manifest {
        revision: options.revision,
        issued_at_s: options.issued_at_s,
        not_before_s: options.issued_at_s,
        expires_at_s: options.issued_at_s.saturating_add(life_s),
        restores: Some(bundle.digest()),
        ..manifest
    };
    Ok(writer::reissue(&bundle, new)?)
}
