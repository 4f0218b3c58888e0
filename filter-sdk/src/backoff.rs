//! How long to wait before connecting again.

use crate::host::Host;

const FIRST_MS: u32 = 500;
const LONGEST_MS: u32 = 30_000;

/// Exponential backoff with full jitter: a uniformly random part of a span that doubles from 0.5 s to 30 s.
#[derive(Debug)]
pub struct Backoff {
    span_ms: u32,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { span_ms: FIRST_MS }
    }
}

impl Backoff {
    /// The next wait.
    pub fn next_ms(&mut self, host: &dyn Host) -> u32 {
        let span_ms = self.span_ms;
        self.span_ms = span_ms.saturating_mul(2).min(LONGEST_MS);
        let mut random = [0; 4];
        match host.random(&mut random) {
            Ok(()) => u32::from_le_bytes(random) % (span_ms + 1),
            Err(_) => span_ms,
        }
    }

    /// Begins anew after a connection that worked.
    pub fn reset(&mut self) {
        *self = Backoff::default();
    }
}
