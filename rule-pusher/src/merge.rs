//! One file from two of the same manifest, so that no publication takes a signature away.

use riskgate_engine::bundle::{Bundle, BundleError, MAX_SIGNATURES, Signature};
use riskgate_push_protocol::KeyId;

use crate::verify::{Verifier, Weight};

/// One file of both, and what it lacks.
pub(crate) struct Merged {
    pub(crate) file: Vec<u8>,
    /// Keys that are not trusted here, of signatures of either file that the merged one does not have.
    pub(crate) left_out: Vec<KeyId>,
}

/// The newly published file with the signatures of both.
///
/// What was published stays. Only signatures of trusted keys join it: those of other keys cannot be checked here, and a
/// bad one would make the filters that trust its key refuse the file. If one of those came with the first publication, a
/// later one of the same key takes its place, since there is no other way to mend it. When there are too many, trusted ones
/// come first.
///
/// # Errors
///
/// If the file cannot be written with those signatures.
pub(crate) fn with_signatures_of_both(
    verifier: &Verifier,
    stored: &Bundle<'_>,
    published: &Bundle<'_>,
) -> Result<Merged, BundleError> {
    let (mut trusted, mut unknown) = (Vec::<Signature>::new(), Vec::new());
    let mut unchecked = Vec::new();
    let weigh = verifier.scale(stored);
    for &signature in stored.signatures() {
        match weigh(&signature) {
            Weight::Counts => trusted.push(signature),
            Weight::UnknownKey => unknown.push(signature),
            Weight::Bad => {}
        }
    }
    for &signature in published.signatures() {
        let known = trusted.iter().any(|had| had.key_id == signature.key_id);
        match weigh(&signature) {
            Weight::Counts if !known => trusted.push(signature),
            Weight::UnknownKey => match had_by(&mut unknown, &signature.key_id) {
                Some(had) => *had = signature,
                None => unchecked.push(signature),
            },
            Weight::Counts | Weight::Bad => {}
        }
    }
    let mut signatures = trusted;
    signatures.append(&mut unknown);
    let excess = signatures.split_off(signatures.len().min(MAX_SIGNATURES as usize));
    let fuller = if published.is_complete() {
        published
    } else {
        stored
    };
    let file = fuller.with_signatures(signatures)?;
    let left_out = excess
        .iter()
        .chain(&unchecked)
        .map(|signature| KeyId(signature.key_id));
    Ok(Merged {
        file,
        left_out: left_out.collect(),
    })
}

fn had_by<'a>(signatures: &'a mut [Signature], key_id: &[u8; 32]) -> Option<&'a mut Signature> {
    signatures.iter_mut().find(|had| had.key_id == *key_id)
}
