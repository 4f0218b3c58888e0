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
    /// The next wait: from 0 to the span, both included. Without randomness it is the whole span.
    pub fn next_ms(&mut self, host: &dyn Host) -> u32 {
        let span_ms = self.span_ms;
        self.span_ms = span_ms.saturating_mul(2).min(LONGEST_MS);
        let mut random = [0; 4];
        match host.random(&mut random) {
            Ok(()) => scale(u32::from_le_bytes(random), span_ms),
            Err(_) => span_ms,
        }
    }

    /// Begins anew after a connection that worked.
    pub fn reset(&mut self) {
        *self = Backoff::default();
    }
}

/// Maps all numbers to those from 0 to `most`, each to its part of the range.
fn scale(random: u32, most: u32) -> u32 {
    let scaled = (u64::from(random) * (u64::from(most) + 1)) >> u32::BITS;
    u32::try_from(scaled).unwrap_or(most)
}
