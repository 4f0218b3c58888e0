//! The manifest: the few bytes that the signatures cover.

use alloc::vec::Vec;

use super::{BundleError, Digest, ENGINE_VERSION};
use crate::codec::Cursor;

const MAGIC: [u8; 4] = *b"RGMF";
const VERSION: u16 = 1;
const NAME_LEN_MAX: usize = 63;

/// What the signatures cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// The lowest [`ENGINE_VERSION`] that evaluates this bundle.
    pub min_engine: u16,
    /// The ruleset's name.
    pub ruleset: &'a str,
    /// Which filters it is for; `None` for those that are configured for none.
    pub audience: Option<&'a str>,
    /// Grows with each publication.
    pub revision: u64,
    /// Unix time.
    pub issued_at_s: u64,
    /// Unix time; not served before.
    pub not_before_s: u64,
    /// Unix time; not loaded from then on.
    pub expires_at_s: u64,
    /// What a filter does once a served bundle has expired.
    pub on_expired: OnExpired,
    /// Of an emergency rollback: the digest whose rules it brings back.
    pub restores: Option<Digest>,
    /// BLAKE3 of the section table.
    pub table_hash: [u8; 32],
}

/// What a filter does once a served bundle has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpired {
    /// Serve on, and alarm.
    Keep,
    /// Allow every request.
    Allow,
    /// Deny every request.
    Deny,
}

impl<'a> Manifest<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Manifest<'a>, BundleError> {
        let mut cursor = Cursor::new(bytes, "manifest");
        if cursor.array()? != MAGIC || cursor.u16()? != VERSION {
            return Err(BundleError::BadManifest {
                what: "unknown magic or version",
            });
        }
        let min_engine = cursor.u16()?;
        let revision = cursor.u64()?;
        let issued_at_s = cursor.u64()?;
        let not_before_s = cursor.u64()?;
        let expires_at_s = cursor.u64()?;
        let table_hash = cursor.array()?;
        let on_expired = OnExpired::from_code(cursor.u8()?)?;
        let restores = match cursor.u8()? {
            0 => None,
            1 => Some(Digest(cursor.array()?)),
            _ => {
                return Err(BundleError::BadManifest {
                    what: "unknown rollback flag",
                });
            }
        };
        let ruleset = read_name(&mut cursor)?;
        let audience = read_name(&mut cursor)?;
        cursor.finish()?;
        let manifest = Manifest {
            min_engine,
            ruleset,
            audience: Some(audience).filter(|audience| !audience.is_empty()),
            revision,
            issued_at_s,
            not_before_s,
            expires_at_s,
            on_expired,
            restores,
            table_hash,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// What must hold of every manifest, whoever wrote it.
    pub(super) fn check(&self) -> Result<(), BundleError> {
        let rules = [
            (
                is_name(self.ruleset),
                "the ruleset's name is not 1 to 63 of a-z, 0-9 and -",
            ),
            (
                self.audience.is_none_or(is_name),
                "the audience is not 1 to 63 of a-z, 0-9 and -",
            ),
            (self.revision > 0, "the revision is 0"),
            (
                self.issued_at_s <= self.not_before_s,
                "valid before it was issued",
            ),
            (self.not_before_s < self.expires_at_s, "never valid"),
            (
                i64::try_from(self.expires_at_s).is_ok(),
                "a time is out of range",
            ),
            (self.min_engine >= 1, "the engine version is 0"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(BundleError::BadManifest { what }),
            None => Ok(()),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.min_engine.to_le_bytes());
        for value in [
            self.revision,
            self.issued_at_s,
            self.not_before_s,
            self.expires_at_s,
        ] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&self.table_hash);
        out.push(self.on_expired.code());
        out.push(u8::from(self.restores.is_some()));
        if let Some(Digest(digest)) = &self.restores {
            out.extend_from_slice(digest);
        }
        for name in [self.ruleset, self.audience.unwrap_or_default()] {
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(name.as_bytes());
        }
    }

    /// Whether this engine understands the sections.
    pub(crate) fn is_understood(&self) -> bool {
        self.min_engine <= ENGINE_VERSION
    }
}

impl OnExpired {
    fn code(self) -> u8 {
        match self {
            OnExpired::Keep => 0,
            OnExpired::Allow => 1,
            OnExpired::Deny => 2,
        }
    }

    fn from_code(code: u8) -> Result<OnExpired, BundleError> {
        match code {
            0 => Ok(OnExpired::Keep),
            1 => Ok(OnExpired::Allow),
            2 => Ok(OnExpired::Deny),
            _ => Err(BundleError::BadManifest {
                what: "unknown on_expired",
            }),
        }
    }
}

/// Whether `name` can name a ruleset or an audience: 1 to 63 of `a-z`, `0-9` and `-`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=NAME_LEN_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn read_name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, BundleError> {
    let length = cursor.u8()?;
    core::str::from_utf8(cursor.take(length.into())?).map_err(|_| BundleError::BadManifest {
        what: "a name is not UTF-8",
    })
}
