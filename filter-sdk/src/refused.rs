//! Bundles that were refused, so that offering one again costs a message and not a transfer.

use riskgate_engine::admission::Refusal;
use riskgate_push_protocol::{BundleId, Nack};

/// Older ones are forgotten: offered again, they are judged again.
const REMEMBERED_MAX: usize = 16;

/// The bundles that were refused for good.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    nack: Nack,
    scope: Scope,
}

/// How long a refusal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The manifest itself was refused, and the digest names the manifest.
    Configuration,
    /// What was wrong lies outside of the digest: another stream may bring a good copy of it.
    Stream,
}

impl Refused {
    /// The answer to a bundle that was refused before.
    pub(crate) fn find(&self, bundle: BundleId) -> Option<&Nack> {
        self.entries
            .iter()
            .map(|entry| &entry.nack)
            .find(|nack| nack.bundle == bundle)
    }

    /// The answer to a bundle that was refused just now, remembered if it will stay the same.
    pub(crate) fn note(&mut self, bundle: BundleId, refusal: &Refusal) -> Nack {
        let permanent = refusal.is_permanent();
        let nack = Nack {
            bundle,
            reason: refusal.code().to_owned(),
            detail: refusal.to_string(),
            permanent,
        };
        if permanent {
            if self.entries.len() >= REMEMBERED_MAX {
                self.entries.remove(0);
            }
            self.entries.push(Entry {
                nack: nack.clone(),
                scope: scope(refusal),
            });
        }
        nack
    }

    /// A new stream begins.
    pub(crate) fn begin_stream(&mut self) {
        self.entries
            .retain(|entry| entry.scope == Scope::Configuration);
    }
}

fn scope(refusal: &Refusal) -> Scope {
    match refusal {
        Refusal::Malformed(_)
        | Refusal::BadSignature
        | Refusal::Untrusted { .. }
        | Refusal::BadHash(_) => Scope::Stream,
        _ => Scope::Configuration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskgate_push_protocol::Digest;

    fn bundle(revision: u64) -> BundleId {
        BundleId {
            revision,
            digest: Digest([7; 32]),
        }
    }

    #[test]
    fn only_what_will_stay_refused_is_remembered() {
        let older = Refusal::OlderRevision {
            revision: 1,
            accepted: 2,
        };
        let cases = [
            (older, true, true, true),
            (Refusal::Expired { ago_s: 1 }, true, true, true),
            // A copy with good signatures has the same digest.
            (Refusal::BadSignature, true, true, false),
            (Refusal::NotYetValid { wait_s: 1 }, false, false, false),
        ];
        for (refusal, permanent, this_stream, next_stream) in cases {
            let mut refused = Refused::default();
            let nack = refused.note(bundle(1), &refusal);
            assert_eq!(
                (nack.permanent, &nack.reason[..]),
                (permanent, refusal.code())
            );
            assert_eq!(refused.find(bundle(1)).is_some(), this_stream, "{refusal}");
            assert_eq!(refused.find(bundle(2)), None);
            refused.begin_stream();
            assert_eq!(refused.find(bundle(1)).is_some(), next_stream, "{refusal}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut refused = Refused::default();
        for revision in 0..100 {
            refused.note(bundle(revision), &Refusal::Expired { ago_s: 1 });
        }
        assert_eq!(refused.entries.len(), REMEMBERED_MAX);
        assert_eq!(refused.find(bundle(0)), None);
        assert!(refused.find(bundle(99)).is_some());
    }
}
