//! Conversions of single fields, which every message shares.

use super::ProtoError;
use crate::{BundleId, Digest, limits::NAME_LEN_MAX};

pub(super) fn fixed<const LEN: usize>(
    field: &'static str,
    bytes: &[u8],
) -> Result<[u8; LEN], ProtoError> {
    bytes.try_into().map_err(|_| ProtoError::WrongLength {
        field,
        len: bytes.len(),
        expected: LEN,
    })
}

pub(super) fn bundle_id(
    field: &'static str,
    revision: u64,
    digest: &[u8],
) -> Result<BundleId, ProtoError> {
    Ok(BundleId {
        revision,
        digest: Digest(fixed(field, digest)?),
    })
}

/// No digest is no bundle; then there is no revision either.
pub(super) fn held(
    field: &'static str,
    revision: u64,
    digest: &[u8],
) -> Result<Option<BundleId>, ProtoError> {
    match (revision, digest) {
        (0, []) => Ok(None),
        (_, []) => Err(ProtoError::RevisionWithoutDigest(field)),
        _ => bundle_id(field, revision, digest).map(Some),
    }
}

/// The two fields that [`held`] reads.
pub(super) fn held_fields(held: Option<BundleId>) -> (u64, Vec<u8>) {
    held.map_or_else(Default::default, |bundle| {
        (bundle.revision, bundle.digest.0.to_vec())
    })
}

pub(super) fn text(field: &'static str, text: String, limit: usize) -> Result<String, ProtoError> {
    in_limit(field, text.len(), limit)?;
    Ok(text)
}

pub(super) fn name(field: &'static str, name: String) -> Result<String, ProtoError> {
    not_empty(field, name.len())?;
    text(field, name, NAME_LEN_MAX)
}

/// Empty is none.
pub(super) fn optional_name(
    field: &'static str,
    text: String,
) -> Result<Option<String>, ProtoError> {
    if text.is_empty() {
        Ok(None)
    } else {
        name(field, text).map(Some)
    }
}

pub(super) fn in_limit(field: &'static str, len: usize, limit: usize) -> Result<(), ProtoError> {
    if len > limit {
        Err(ProtoError::TooLong { field, len, limit })
    } else {
        Ok(())
    }
}

pub(super) fn not_too_many(
    field: &'static str,
    count: usize,
    limit: usize,
) -> Result<(), ProtoError> {
    if count > limit {
        Err(ProtoError::TooMany {
            field,
            count,
            limit,
        })
    } else {
        Ok(())
    }
}

pub(super) fn not_empty(field: &'static str, len: usize) -> Result<(), ProtoError> {
    if len == 0 {
        Err(ProtoError::Empty(field))
    } else {
        Ok(())
    }
}

/// Cuts a text to its limit, at a character's edge, so that what one end writes the other end reads.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_keeps_whole_characters() {
        assert_eq!(cut("grün".to_owned(), 3), "gr");
        assert_eq!(cut("grün".to_owned(), 4), "grü");
        assert_eq!(cut("grün".to_owned(), 64), "grün");
    }

    #[test]
    fn held_wants_both_or_none() {
        assert_eq!(held("held", 0, &[]), Ok(None));
        assert_eq!(
            held("held", 3, &[]),
            Err(ProtoError::RevisionWithoutDigest("held"))
        );
        let bundle = BundleId {
            revision: 3,
            digest: Digest([7; 32]),
        };
        assert_eq!(held("held", 3, &[7; 32]), Ok(Some(bundle)));
        assert_eq!(
            held("held", 3, &[7; 31]),
            Err(ProtoError::WrongLength {
                field: "held",
                len: 31,
                expected: 32
            })
        );
    }
}
