//! From a checked ruleset to a signed bundle.

use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_engine::admission::{Admission, Refusal};
use riskgate_engine::bundle::writer::UnsignedBundle;
use riskgate_engine::bundle::{
    Bundle, BundleError, ENGINE_VERSION, Manifest, OnExpired, Signature,
};
use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use riskgate_engine::trust::{KeyError, TrustedKeys, key_id, signing_payload};
use thiserror::Error;

use crate::ir::{self, Ruleset};
use crate::lower::{LowerError, lower};

/// What a bundle says beside its rules.
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions<'a> {
    /// From 1; a filter takes only growing ones.
    pub revision: u64,
    /// Unix time.
    pub issued_at_s: u64,
    /// Which filters it is for; `None` for those that are configured for none.
    pub audience: Option<&'a str>,
}

/// Why no bundle was made.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A rule cannot be compiled.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// A limit of the format is passed.
    #[error("the bundle cannot be written: {0}")]
    Bundle(#[from] BundleError),
    /// The signing key is one that no filter would trust.
    #[error("the signing key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// A filter would not load what was built, which is a bug of the compiler.
    #[error("a filter would refuse the bundle that was built: {0}; please report this")]
    Refused(#[from] Refusal),
}

/// A signed bundle. What it returns, a filter that trusts the key was asked to load, and did.
///
/// # Errors
///
/// See [`BuildError`].
pub fn build(
    ruleset: &Ruleset,
    options: &BuildOptions<'_>,
    key: &SigningKey,
) -> Result<Vec<u8>, BuildError> {
    let unsigned = UnsignedBundle::new(manifest(ruleset, options), lower(ruleset)?)?;
    let bytes = unsigned.finish(vec![sign(&unsigned.payload(), key)])?;
    load_as_signed_by(key, &bytes)?;
    Ok(bytes)
}

/// Loads a ruleset as a filter would, without a file.
///
/// # Errors
///
/// See [`BuildError`].
pub fn ruleset_in_memory(ruleset: &Ruleset) -> Result<LoadedRuleset, BuildError> {
    let key = SigningKey::from_bytes(&THROWAWAY_KEY);
    let options = BuildOptions {
        revision: 1,
        issued_at_s: 0,
        audience: None,
    };
    load_as_signed_by(&key, &build(ruleset, &options, &key)?)
}

/// Loads a bundle without asking who signed it or when: for tools that look into bundles, never for serving.
///
/// # Errors
///
/// When the bundle is malformed, its sections are not those of its manifest, or an index in them is wrong.
pub fn load_unverified(bytes: &[u8]) -> Result<LoadedRuleset, BuildError> {
    let key = SigningKey::from_bytes(&THROWAWAY_KEY);
    let bundle = Bundle::parse(bytes)?;
    let signature = sign(&signing_payload(bundle.manifest_bytes()), &key);
    load_as_signed_by(&key, &bundle.with_signatures(vec![signature])?)
}

/// Signs bundles that never leave the process. Its public half is trusted by nobody else.
const THROWAWAY_KEY: [u8; 32] = [7; 32];

fn load_as_signed_by(key: &SigningKey, bytes: &[u8]) -> Result<LoadedRuleset, BuildError> {
    let trust = TrustedKeys::new(&[key.verifying_key().to_bytes()], 1)?;
    let bundle = Bundle::parse(bytes)?;
    let manifest = bundle.manifest();
    let admission = Admission {
        trust: &trust,
        ruleset: manifest.ruleset,
        audience: manifest.audience,
        min_revision: 0,
        now_s: manifest.not_before_s,
        mark: None,
    };
    Ok(LoadedRuleset::load(&admission.admit(bytes)?)?)
}

fn manifest<'a>(ruleset: &'a Ruleset, options: &BuildOptions<'a>) -> Manifest<'a> {
    Manifest {
        min_engine: ENGINE_VERSION,
        ruleset: &ruleset.name,
        audience: options.audience,
        revision: options.revision,
        issued_at_s: options.issued_at_s,
        not_before_s: options.issued_at_s,
        expires_at_s: options.issued_at_s.saturating_add(ruleset.ttl_s),
        on_expired: match ruleset.on_expired {
            ir::OnExpired::Keep => OnExpired::Keep,
            ir::OnExpired::Allow => OnExpired::Allow,
            ir::OnExpired::Deny => OnExpired::Deny,
        },
        restores: None,
        table_hash: [0; 32],
    }
}

fn sign(payload: &[u8], key: &SigningKey) -> Signature {
    Signature {
        key_id: key_id(&key.verifying_key().to_bytes()),
        bytes: key.sign(payload).to_bytes(),
    }
}
