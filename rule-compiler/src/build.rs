//! From a checked ruleset to a signed bundle.

use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_engine::admission::{Admission, Refusal};
use riskgate_engine::atoms::AtomId;
use riskgate_engine::bundle::writer::{NewSection, UnsignedBundle};
use riskgate_engine::bundle::{
    Bundle, BundleError, MAX_BUNDLE_LEN, Manifest, OnExpired, SectionKind, Signature,
};
use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use riskgate_engine::trust::{KeyError, TrustedKeys, key_id, signing_payload};
use thiserror::Error;

use crate::ir::{self, Ruleset};
use crate::lower::{LowerError, lower, lower_traced, min_engine};

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
    /// The rules and lists are more than a filter takes.
    #[error(
        "the bundle would take {length} bytes, and filters take {MAX_BUNDLE_LEN} at most; shorten what is largest in it: {largest}"
    )]
    TooLarge {
        /// Of the bundle.
        length: usize,
        /// The lists and sections that take most of it.
        largest: String,
    },
    /// A limit of the format is passed.
    #[error("the bundle cannot be written: {0}")]
    Bundle(BundleError),
    /// The signing key is one that no filter would trust.
    #[error("the signing key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// A filter would not load what was built, which is a bug of the compiler.
    #[error("a filter would refuse the bundle that was built: {0}; please report this")]
    Refused(#[from] LoadError),
}

/// Why a bundle cannot be used, whoever signed it.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is malformed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A filter would refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its time is over.
    #[error("expired {ago_s} s before the time given; build it again")]
    Expired {
        /// Since when.
        ago_s: u64,
    },
    /// The key that stands in for the signer's is weak.
    #[error(transparent)]
    Key(#[from] KeyError),
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
    let bytes = write(ruleset, options, key)?;
    load_as_signed_by(key, &bytes, None)?;
    Ok(bytes)
}

/// A bundle without a signature: no filter takes it before somebody signs it.
///
/// # Errors
///
/// See [`BuildError`].
pub fn build_unsigned(
    ruleset: &Ruleset,
    options: &BuildOptions<'_>,
) -> Result<Vec<u8>, BuildError> {
    let unsigned = lay_out(ruleset, options)?;
    let bytes = unsigned.finish(Vec::new()).map_err(BuildError::Bundle)?;
    load_unverified(&bytes, None)?;
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
    let bytes = write(ruleset, &options, &key)?;
    Ok(load_as_signed_by(&key, &bytes, None)?)
}

/// As [`ruleset_in_memory`], with for each rule the index of every atom of its condition, in the order in which they stand.
///
/// # Errors
///
/// See [`BuildError`].
pub fn traced_in_memory(
    ruleset: &Ruleset,
) -> Result<(LoadedRuleset, Vec<Vec<AtomId>>), BuildError> {
    let (_, atoms) = lower_traced(ruleset)?;
    Ok((ruleset_in_memory(ruleset)?, atoms))
}

/// Loads a bundle without asking who signed it: for tools that look into bundles, never for serving. Its times count only
/// where `at_s` is given.
///
/// # Errors
///
/// When the bundle is malformed, its sections are not those of its manifest, an index in them is wrong, or a filter
/// would not take it at that time.
pub fn load_unverified(bytes: &[u8], at_s: Option<u64>) -> Result<LoadedRuleset, LoadError> {
    let key = SigningKey::from_bytes(&THROWAWAY_KEY);
    let bundle = Bundle::parse(bytes)?;
    let signature = sign(&signing_payload(bundle.manifest_bytes()), &key);
    load_as_signed_by(&key, &bundle.with_signatures(vec![signature])?, at_s)
}

/// A bundle that never leaves the process, and the public key that it is signed by: for tools that run a filter on it.
///
/// # Errors
///
/// See [`BuildError`].
pub fn throwaway_bundle(
    ruleset: &Ruleset,
    issued_at_s: u64,
) -> Result<(Vec<u8>, [u8; 32]), BuildError> {
    let key = SigningKey::from_bytes(&THROWAWAY_KEY);
    let options = BuildOptions {
        revision: 1,
        issued_at_s,
        audience: None,
    };
    let bytes = write(ruleset, &options, &key)?;
    Ok((bytes, key.verifying_key().to_bytes()))
}

/// Signs bundles that never leave the process. Its public half is trusted by nobody else.
const THROWAWAY_KEY: [u8; 32] = [7; 32];

fn write(
    ruleset: &Ruleset,
    options: &BuildOptions<'_>,
    key: &SigningKey,
) -> Result<Vec<u8>, BuildError> {
    let unsigned = lay_out(ruleset, options)?;
    let signature = sign(&unsigned.payload(), key);
    unsigned.finish(vec![signature]).map_err(BuildError::Bundle)
}

fn lay_out(ruleset: &Ruleset, options: &BuildOptions<'_>) -> Result<UnsignedBundle, BuildError> {
    let sections = lower(ruleset)?;
    let largest = largest(ruleset, &sections);
    let refused = |error| match error {
        BundleError::TooLarge { length } => BuildError::TooLarge { length, largest },
        other => BuildError::Bundle(other),
    };
    UnsignedBundle::new(manifest(ruleset, options), sections).map_err(refused)
}

/// What takes most of a bundle, for a message.
fn largest(ruleset: &Ruleset, sections: &[NewSection]) -> String {
    let mut lists = ruleset.lists.iter();
    let mut parts: Vec<(usize, String)> = sections
        .iter()
        .map(|NewSection { kind, bytes }| {
            let name = match kind {
                SectionKind::List => lists.next().map(|list| format!("list `{}`", list.name)),
                _ => None,
            };
            (
                bytes.len(),
                name.unwrap_or_else(|| format!("section `{kind}`")),
            )
        })
        .collect();
    parts.sort_by_key(|(length, _)| core::cmp::Reverse(*length));
    let named: Vec<String> = parts
        .iter()
        .take(3)
        .map(|(length, name)| format!("{name} with {length} bytes"))
        .collect();
    named.join(", ")
}

fn load_as_signed_by(
    key: &SigningKey,
    bytes: &[u8],
    at_s: Option<u64>,
) -> Result<LoadedRuleset, LoadError> {
    let trust = TrustedKeys::new(&[key.verifying_key().to_bytes()], 1)?;
    let bundle = Bundle::parse(bytes)?;
    let manifest = bundle.manifest();
    let now_s = at_s.unwrap_or(manifest.not_before_s);
    let admission = Admission {
        trust: &trust,
        ruleset: manifest.ruleset,
        audience: manifest.audience,
        min_revision: 0,
        now_s,
        mark: None,
    };
    let admitted = admission.admit(bytes)?;
    if admitted.is_expired() {
        return Err(LoadError::Expired {
            ago_s: now_s.saturating_sub(manifest.expires_at_s),
        });
    }
    Ok(LoadedRuleset::load(&admitted)?)
}

fn manifest<'a>(ruleset: &'a Ruleset, options: &BuildOptions<'a>) -> Manifest<'a> {
    Manifest {
        min_engine: min_engine(ruleset),
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
