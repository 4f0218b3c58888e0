//! What serves now: a ruleset, an expired one, or nothing.

use riskgate_engine::admission::{Admitted, Mark, Refusal};
use riskgate_engine::ruleset::{Ruleset, Scratch};

/// What serves in one root context. Swaps happen between requests, never in one.
#[derive(Default)]
pub(crate) struct Serving {
    served: Option<Served>,
    /// Warm for the ruleset that serves.
    scratch: Scratch,
}

struct Served {
    ruleset: Ruleset,
    /// Latched: a clock that jumps back revives nothing; the next revision heals.
    expired: bool,
}

/// What a request finds.
pub(crate) enum Standing<'s> {
    /// No bundle was accepted yet.
    Missing,
    /// A ruleset decides, or its `on_expired` does.
    Rules {
        ruleset: &'s Ruleset,
        scratch: &'s mut Scratch,
        expired: bool,
    },
}

impl Serving {
    /// Loads an admitted bundle and lets it serve. What served before goes on if it does not load.
    pub(crate) fn swap(&mut self, admitted: &Admitted<'_>) -> Result<Mark, Refusal> {
        let ruleset = Ruleset::load(admitted)?;
        let mark = ruleset.mark();
        self.served = Some(Served {
            ruleset,
            expired: admitted.is_expired(),
        });
        self.scratch = Scratch::default();
        Ok(mark)
    }

    /// The highest bundle accepted so far.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.served.as_ref().map(|served| served.ruleset.mark())
    }

    /// Whether what serves has expired.
    pub(crate) fn is_expired(&self) -> bool {
        self.served.as_ref().is_some_and(|served| served.expired)
    }

    /// Compares the ruleset's expiry with the clock; true when it expired just now.
    pub(crate) fn note_time(&mut self, now_s: u64) -> bool {
        match &mut self.served {
            Some(served) if !served.expired && served.ruleset.expires_at_s() <= now_s => {
                served.expired = true;
                true
            }
            _ => false,
        }
    }

    /// What decides a request now.
    pub(crate) fn standing(&mut self) -> Standing<'_> {
        match &self.served {
            None => Standing::Missing,
            Some(Served { ruleset, expired }) => Standing::Rules {
                ruleset,
                scratch: &mut self.scratch,
                expired: *expired,
            },
        }
    }
}
