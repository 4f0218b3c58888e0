//! Pauses between offers of a bundle that an instance could not take.

use std::time::Duration;

use tokio::time::Instant;

/// Pauses that double from the first to the longest.
#[derive(Clone, Debug)]
pub(crate) struct Retries {
    first: Duration,
    longest: Duration,
    failures: u32,
    at: Option<Instant>,
}

impl Retries {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
            at: None,
        }
    }

    /// When the pause ends, if there is one.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// The pause is over; the next one is a longer one.
    pub(super) fn end_pause(&mut self) {
        self.at = None;
    }

    pub(super) fn forget(&mut self) {
        (self.failures, self.at) = (0, None);
    }

    /// Between half and all of a pause that doubles with each failure. A pause that has begun is not prolonged.
    pub(super) fn schedule(&mut self, random: u32, now: Instant) {
        if self.at.is_some() {
            return;
        }
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let pause = self.first.saturating_mul(factor).min(self.longest);
        let spread = f64::from(random) / f64::from(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.at = Some(now + pause.mul_f64(0.5 + 0.5 * spread));
    }
}
