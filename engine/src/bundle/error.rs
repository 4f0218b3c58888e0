//! What can be wrong with a bundle's bytes.

use thiserror::Error;

use super::{MAX_BUNDLE_LEN, SectionKind};

/// What is wrong with a bundle's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum BundleError {
    #[error("the bundle is empty; build it again with `rulec build`")]
    Empty,
    #[error(
        "the bundle is {length} bytes long, more than the {MAX_BUNDLE_LEN} that are allowed; shorten its lists"
    )]
    TooLarge { length: usize },
    #[error("not a riskgate bundle; build one with `rulec build`")]
    NotABundle,
    #[error(
        "the bundle is of format version {version}, which is no longer read; build it again with a current `rulec`"
    )]
    OldVersion { version: u16 },
    #[error(
        "the bundle is of format version {version}, which is newer than this; use a newer riskgate"
    )]
    UnknownVersion { version: u16 },
    #[error("unknown flags {flags:#06x} in the header; use a newer riskgate")]
    UnknownFlags { flags: u16 },
    #[error(
        "the header says that sections were left out, but none were; the file was altered, build it again"
    )]
    NothingLeftOut,
    #[error(
        "the header says that no section was left out, but filters are sent none that only tools read; send the bundle again"
    )]
    NotLeftOut,
    #[error(
        "the {what} is larger than the format allows; build the bundle again with a current `rulec`"
    )]
    OverLimit { what: &'static str },
    #[error(
        "the {what} ends too early; the file was cut short or altered, fetch or build it again"
    )]
    Truncated { what: &'static str },
    #[error("the {what} goes on after its end; the file was altered, fetch or build it again")]
    TrailingBytes { what: &'static str },
    #[error("padding of the {what} is not zero; the file was altered, fetch or build it again")]
    NonZeroPadding { what: &'static str },
    #[error(
        "the signatures are not in strictly ascending order of key id; sign with each key once"
    )]
    UnorderedSignatures,
    #[error("the manifest is malformed: {what}; build the bundle again")]
    BadManifest { what: &'static str },
    #[error("section kind {kind} is unknown here; use a newer riskgate")]
    UnknownSection { kind: u16 },
    #[error(
        "the sections are out of order, doubled or flagged wrongly at `{kind}`; build the bundle again"
    )]
    UnorderedSections { kind: SectionKind },
    #[error("section `{kind}` is missing; build the bundle again")]
    MissingSection { kind: SectionKind },
    #[error("the section table is not the one that was signed; fetch or build the bundle again")]
    BadTableHash,
    #[error("section `{kind}` is not the one that was signed; fetch or build the bundle again")]
    BadHash { kind: SectionKind },
    #[error("an index in {what} points outside; build the bundle again with a current `rulec`")]
    IndexOutOfRange { what: &'static str },
    #[error(
        "{what} holds a value that the format does not allow; build the bundle again with a current `rulec`"
    )]
    BadValue { what: &'static str },
}

impl BundleError {
    /// Whether the bytes differ from what was signed, as opposed to having been made wrongly.
    #[must_use]
    pub fn is_hash_mismatch(&self) -> bool {
        matches!(
            self,
            BundleError::BadTableHash | BundleError::BadHash { .. }
        )
    }
}
