//! One file from two of the same manifest, so that no publication takes a signature away.

use riskgate_engine::bundle::{Bundle, BundleError, MAX_SIGNATURES, Signature};

use crate::verify::{Verifier, Weight};

/// The newly published file with the signatures of both.
///
/// What was published stays. Only signatures of trusted keys join it: those of other keys cannot be checked here, and a
/// bad one would make the filters that trust its key refuse the file. When there are too many, trusted ones come first.
///
/// # Errors
///
/// If the file cannot be written with those signatures.
pub(crate) fn with_signatures_of_both(
    verifier: &Verifier,
    stored: &Bundle<'_>,
    published: &Bundle<'_>,
) -> Result<Vec<u8>, BundleError> {
    let (mut trusted, mut unknown) = (Vec::<Signature>::new(), Vec::new());
    for &signature in stored.signatures() {
        match verifier.weigh(stored, signature)? {
            Weight::Counts => trusted.push(signature),
            Weight::UnknownKey => unknown.push(signature),
            Weight::Bad => {}
        }
    }
    for &signature in published.signatures() {
        let known = trusted.iter().any(|had| had.key_id == signature.key_id);
        if !known && verifier.weigh(published, signature)? == Weight::Counts {
            trusted.push(signature);
        }
    }
    let mut signatures = trusted;
    signatures.append(&mut unknown);
    signatures.truncate(MAX_SIGNATURES as usize);
    let fuller = if published.is_complete() {
        published
    } else {
        stored
    };
    fuller.with_signatures(signatures)
}
