//! Whether a filter would take a bundle: signature, name, audience, times, revision and hashes.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use thiserror::Error;

use crate::bundle::{
    Bundle, BundleError, Digest, ENGINE_VERSION, Head, Manifest, OnExpired, SectionEntry, Signature,
};
use crate::trust::TrustedKeys;

/// Clocks differ; a bundle issued later than this ahead of ours is refused, in seconds.
pub const CLOCK_SKEW_S: u64 = 300;

/// What a filter knows when a bundle arrives.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    /// Whose signatures count.
    pub trust: &'a TrustedKeys,
    /// The ruleset that the filter is configured for.
    pub ruleset: &'a str,
    /// The audience that the filter is configured for. It must equal the bundle's, absence included.
    pub audience: Option<&'a str>,
    /// A lower revision is refused; 0 for none.
    pub min_revision: u64,
    /// Wall clock, Unix time.
    pub now_s: u64,
    /// The highest bundle accepted so far.
    pub mark: Option<Mark>,
}

/// The highest bundle accepted so far: a filter never goes back behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its revision.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
    /// When it was issued; no clock reads earlier than this.
    pub issued_at_s: u64,
}

/// A bundle that is what it claims to be. Only [`Admission::admit`] makes one.
#[derive(Debug, Clone)]
pub struct Admitted<'b> {
    bundle: Bundle<'b>,
    head: AdmittedHead,
}

impl<'b> Admitted<'b> {
    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &Bundle<'b> {
        &self.bundle
    }

    /// Whether its time is over: it may then only resume or be the first, under its `on_expired`.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.head.is_expired()
    }

    pub(crate) fn head(&self) -> &AdmittedHead {
        &self.head
    }
}

/// A head that is what it claims to be; nothing is known of its sections. Only an [`Admission`] makes one. It owns its bytes.
#[derive(Debug, Clone)]
pub struct AdmittedHead {
    pub(crate) name: String,
    pub(crate) audience: Option<String>,
    pub(crate) mark: Mark,
    pub(crate) not_before_s: u64,
    pub(crate) expires_at_s: u64,
    pub(crate) on_expired: OnExpired,
    /// As they were signed, so that another trust can judge them.
    pub(crate) manifest: Vec<u8>,
    pub(crate) signatures: Vec<Signature>,
    entries: Arc<[SectionEntry]>,
    bytes: Arc<[u8]>,
    expired: bool,
}

impl AdmittedHead {
    /// What the next bundle is compared with, once this one serves.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether its time is over: it may then only resume or be the first, under its `on_expired`.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expired
    }

    /// What the section table says of each section, in file order.
    #[must_use]
    pub fn entries(&self) -> &[SectionEntry] {
        &self.entries
    }

    /// As [`Head::parse`] reads it.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    fn claims(&self) -> Claims {
        Claims {
            mark: self.mark,
            not_before_s: self.not_before_s,
            expires_at_s: self.expires_at_s,
        }
    }

    fn new(head: &Head<'_>, expired: bool) -> AdmittedHead {
        let manifest = head.manifest();
        AdmittedHead {
            name: manifest.ruleset.to_string(),
            audience: manifest.audience.map(ToString::to_string),
            mark: mark_of(head),
            not_before_s: manifest.not_before_s,
            expires_at_s: manifest.expires_at_s,
            on_expired: manifest.on_expired,
            manifest: head.manifest_bytes().to_vec(),
            signatures: head.signatures().to_vec(),
            entries: head.entries().into(),
            bytes: head.to_bytes().into(),
            expired,
        }
    }
}

fn mark_of(head: &Head<'_>) -> Mark {
    let manifest = head.manifest();
    Mark {
        revision: manifest.revision,
        digest: head.digest(),
        issued_at_s: manifest.issued_at_s,
    }
}

/// What the checks of revision and times look at.
struct Claims {
    mark: Mark,
    not_before_s: u64,
    expires_at_s: u64,
}

/// Why a bundle was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("{0}")]
    Malformed(BundleError),
    #[error(
        "a signature of a trusted key does not verify; the manifest was altered, fetch or build the bundle again"
    )]
    BadSignature,
    #[error(
        "{valid} of {threshold} needed signatures are by trusted keys; sign with a key that is trusted here"
    )]
    Untrusted { valid: usize, threshold: usize },
    #[error(
        "the bundle needs engine version {needed}, this one is {ENGINE_VERSION}; update riskgate here first"
    )]
    TooNewEngine { needed: u16 },
    #[error(
        "the bundle is for ruleset `{found}`, not `{expected}`; publish it there, or configure that ruleset here"
    )]
    WrongRuleset { found: String, expected: String },
    #[error("the bundle is for {found}, not for {expected}; build it with the right `--audience`")]
    WrongAudience { found: String, expected: String },
    #[error(
        "revision {revision} is below the configured minimum {minimum}; build with a higher `--revision`"
    )]
    BelowMinimum { revision: u64, minimum: u64 },
    #[error(
        "revision {revision} is older than {accepted}, which was accepted already; build with a higher `--revision`"
    )]
    OlderRevision { revision: u64, accepted: u64 },
    #[error(
        "revision {revision} was accepted already with other contents; build with a higher `--revision`"
    )]
    RevisionConflict { revision: u64 },
    #[error("issued {ahead_s} s ahead of the clock here; check both clocks")]
    IssuedInFuture { ahead_s: u64 },
    #[error("not valid for another {wait_s} s; wait, or build it with an earlier `--issued-at`")]
    NotYetValid { wait_s: u64 },
    #[error("expired {ago_s} s ago; build it again")]
    Expired { ago_s: u64 },
    #[error("{0}")]
    BadHash(BundleError),
    #[error("{0}")]
    BadSection(BundleError),
}

impl Refusal {
    /// A stable word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Malformed(_) => "malformed",
            Refusal::BadSignature => "bad-signature",
            Refusal::Untrusted { .. } => "untrusted",
            Refusal::TooNewEngine { .. } => "too-new-engine",
            Refusal::WrongRuleset { .. } => "wrong-ruleset",
            Refusal::WrongAudience { .. } => "wrong-audience",
            Refusal::BelowMinimum { .. } => "below-min-revision",
            Refusal::OlderRevision { .. } => "older-revision",
            Refusal::RevisionConflict { .. } => "revision-conflict",
            Refusal::IssuedInFuture { .. } => "issued-in-future",
            Refusal::NotYetValid { .. } => "not-yet-valid",
            Refusal::Expired { .. } => "expired",
            Refusal::BadHash(_) => "bad-hash",
            Refusal::BadSection(_) => "bad-section",
        }
    }

    /// Whether this digest will be refused for ever, so that sending it again is of no use.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(
            self,
            Refusal::IssuedInFuture { .. } | Refusal::NotYetValid { .. }
        )
    }
}

impl Admission<'_> {
    /// Checks everything of a bundle but the contents of its sections, cheapest and most telling first.
    ///
    /// A bundle equal to the mark is admitted: that is how a filter resumes.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn admit<'b>(&self, bytes: &'b [u8]) -> Result<Admitted<'b>, Refusal> {
        let bundle = Bundle::parse(bytes).map_err(Refusal::Malformed)?;
        let head = self.judge(bundle.head())?;
        bundle.check_sections().map_err(refusal_of)?;
        Ok(Admitted { bundle, head })
    }

    /// Checks a head, as [`Head::parse`] reads it, without any of its sections.
    ///
    /// # Errors
    ///
    /// As [`Admission::admit`].
    pub fn admit_head(&self, bytes: &[u8]) -> Result<AdmittedHead, Refusal> {
        let head = Head::parse(bytes).map_err(Refusal::Malformed)?;
        self.judge(&head)
    }

    /// As [`Admission::admit_head`], of a head that was admitted when another one was the mark, or at another time.
    ///
    /// # Errors
    ///
    /// What has come to stand against it.
    pub fn admit_again(&self, head: &mut AdmittedHead) -> Result<(), Refusal> {
        head.expired = self.check_claims(&head.claims())?;
        Ok(())
    }

    /// A head as it is known whatever the time is and whatever else was accepted: whose signatures it has and whom it is
    /// for is all that matters. [`Admission::is_in_time`] is still to be asked.
    ///
    /// # Errors
    ///
    /// As [`Admission::admit`].
    pub fn known_head(&self, bytes: &[u8]) -> Result<AdmittedHead, Refusal> {
        let head = Head::parse(bytes).map_err(Refusal::Malformed)?;
        self.check_origin(&head)?;
        head.check_table().map_err(refusal_of)?;
        Ok(AdmittedHead::new(&head, false))
    }

    /// Whether the times of a head let it serve: it was not issued in the future, and if it has expired it is the first
    /// or resumes.
    #[must_use]
    pub fn is_in_time(&self, head: &AdmittedHead) -> bool {
        self.check_times(&head.claims()).is_ok()
    }

    fn judge(&self, head: &Head<'_>) -> Result<AdmittedHead, Refusal> {
        self.check_origin(head)?;
        let manifest = head.manifest();
        let expired = self.check_claims(&Claims {
            mark: mark_of(head),
            not_before_s: manifest.not_before_s,
            expires_at_s: manifest.expires_at_s,
        })?;
        head.check_table().map_err(refusal_of)?;
        Ok(AdmittedHead::new(head, expired))
    }

    fn check_origin(&self, head: &Head<'_>) -> Result<(), Refusal> {
        self.trust.verify_head(head)?;
        self.check_addressee(head.manifest())
    }

    /// Whether the bundle's time is over, if it may be used even so.
    fn check_claims(&self, claims: &Claims) -> Result<bool, Refusal> {
        self.check_revision(&claims.mark)?;
        self.check_times(claims)
    }

    fn check_addressee(&self, manifest: &Manifest<'_>) -> Result<(), Refusal> {
        if !manifest.is_understood() {
            return Err(Refusal::TooNewEngine {
                needed: manifest.min_engine,
            });
        }
        if manifest.ruleset != self.ruleset {
            return Err(Refusal::WrongRuleset {
                found: manifest.ruleset.to_string(),
                expected: self.ruleset.to_string(),
            });
        }
        if manifest.audience != self.audience {
            return Err(Refusal::WrongAudience {
                found: describe_audience(manifest.audience),
                expected: describe_audience(self.audience),
            });
        }
        Ok(())
    }

    fn check_revision(&self, claimed: &Mark) -> Result<(), Refusal> {
        let (revision, digest) = (claimed.revision, claimed.digest);
        if revision < self.min_revision {
            return Err(Refusal::BelowMinimum {
                revision,
                minimum: self.min_revision,
            });
        }
        match self.mark {
            Some(mark) if revision < mark.revision => Err(Refusal::OlderRevision {
                revision,
                accepted: mark.revision,
            }),
            Some(mark) if revision == mark.revision && digest != mark.digest => {
                Err(Refusal::RevisionConflict { revision })
            }
            _ => Ok(()),
        }
    }

    fn check_times(&self, claims: &Claims) -> Result<bool, Refusal> {
        let issued_at_s = claims.mark.issued_at_s;
        let now_s = self.now_s.max(self.mark.map_or(0, |mark| mark.issued_at_s));
        if issued_at_s > now_s.saturating_add(CLOCK_SKEW_S) {
            return Err(Refusal::IssuedInFuture {
                ahead_s: issued_at_s - now_s,
            });
        }
        // A bundle that is valid from its issue on is valid at once, within the skew that was just allowed.
        if claims.not_before_s > now_s && claims.not_before_s != issued_at_s {
            return Err(Refusal::NotYetValid {
                wait_s: claims.not_before_s - now_s,
            });
        }
        if now_s < claims.expires_at_s {
            return Ok(false);
        }
        if self
            .mark
            .is_none_or(|mark| mark.digest == claims.mark.digest)
        {
            return Ok(true);
        }
        Err(Refusal::Expired {
            ago_s: now_s - claims.expires_at_s,
        })
    }
}

fn refusal_of(error: BundleError) -> Refusal {
    match error.is_hash_mismatch() {
        true => Refusal::BadHash(error),
        false => Refusal::Malformed(error),
    }
}

fn describe_audience(audience: Option<&str>) -> String {
    match audience {
        Some(name) => alloc::format!("audience `{name}`"),
        None => "no audience".to_string(),
    }
}
