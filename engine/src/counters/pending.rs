//! What is kept of a request until its response is known.

use alloc::vec::Vec;

use super::{CounterIndex, MAX_REQUEST_ATOMS};
use crate::bundle::Digest;

/// What counters that wait for the response of a request have to know of it: which of them may still count it, for which
/// keys. It holds hashes, nothing of the request itself.
///
/// It belongs to the ruleset that made it; any other counts nothing for it. So the few requests that are under way when
/// a ruleset is swapped are not counted by their responses.
///
/// One serves any number of requests, one at a time, and stops allocating once it has seen requests as large as they come.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    pub(crate) ruleset: Option<Digest>,
    pub(crate) counts: Vec<PendingCount>,
    /// Of keys and of distinct values.
    pub(crate) hashes: Vec<u64>,
}

/// One counter that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingCount {
    pub(crate) counter: CounterIndex,
    /// Which of the condition's request atoms are true: bit *n* is that of the *n*th.
    pub(crate) truths: u64,
    /// Its keys among the hashes.
    pub(crate) keys: (usize, usize),
    /// Its distinct values among the hashes.
    pub(crate) values: Option<(usize, usize)>,
}

const _: () = assert!(MAX_REQUEST_ATOMS <= u64::BITS as usize);

impl Pending {
    /// Whether no counter waits: the response is of no interest.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Forgets the request.
    pub fn clear(&mut self) {
        self.ruleset = None;
        self.counts.clear();
        self.hashes.clear();
    }

    /// Copies hashes, and says where they stand.
    pub(crate) fn keep(&mut self, hashes: &[u64]) -> (usize, usize) {
        let start = self.hashes.len();
        self.hashes.extend_from_slice(hashes);
        (start, self.hashes.len())
    }

    pub(crate) fn hashes(&self, (start, end): (usize, usize)) -> &[u64] {
        self.hashes.get(start..end).unwrap_or_default()
    }
}
