//! What serves now: a ruleset, an expired one, or nothing.

use riskgate_engine::admission::{Admitted, Mark, Refusal};
use riskgate_engine::ruleset::{Ruleset, Scratch};

/// What serves all filters of a VM that judge bundles alike. Swaps happen between requests, never in one.
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
    /// The latest time since this revision was loaded, no earlier than its issue. Time does not go back behind it; a
    /// clock that was ahead for a moment is forgotten with the next revision.
    latest_ns: u64,
}

/// What decides a request.
pub(crate) struct Standing<'s> {
    pub(crate) ruleset: &'s Ruleset,
    pub(crate) scratch: &'s mut Scratch,
    /// The time that counts for this request.
    pub(crate) now_ns: u64,
    /// The ruleset's `on_expired` decides.
    pub(crate) expired: bool,
    /// This request is the first one to find that.
    pub(crate) expired_just_now: bool,
}

impl Serving {
    /// Loads a bundle that was admitted at `now_ns`, and lets it serve. What served before goes on if it does not load.
    pub(crate) fn swap(&mut self, admitted: &Admitted<'_>, now_ns: u64) -> Result<Mark, Refusal> {
        let ruleset = Ruleset::load(admitted)?;
        let mark = ruleset.mark();
        self.served = Some(Served {
            ruleset,
            expired: admitted.is_expired(),
            latest_ns: now_ns.max(mark.issued_at_s.saturating_mul(crate::NS_PER_S)),
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

    /// The time to go by when there is no clock: 0 if nothing tells any.
    pub(crate) fn latest_ns(&self) -> u64 {
        self.served.as_ref().map_or(0, |served| served.latest_ns)
    }

    /// What decides a request that comes at `wall_ns` by the wall clock, which may have failed, to a filter that takes
    /// no revision below `min_revision`; `None` if nothing serves it.
    pub(crate) fn standing(
        &mut self,
        min_revision: u64,
        wall_ns: Option<u64>,
    ) -> Option<Standing<'_>> {
        let served = self
            .served
            .as_mut()
            .filter(|served| served.ruleset.revision() >= min_revision)?;
        let expired_just_now = served.note_time(wall_ns);
        Some(Standing {
            ruleset: &served.ruleset,
            scratch: &mut self.scratch,
            now_ns: served.latest_ns,
            expired: served.expired,
            expired_just_now,
        })
    }
}

impl Served {
    /// Moves the time on; true when the ruleset expired by that.
    fn note_time(&mut self, wall_ns: Option<u64>) -> bool {
        self.latest_ns = self.latest_ns.max(wall_ns.unwrap_or(0));
        let expires =
            !self.expired && self.ruleset.expires_at_s() <= self.latest_ns / crate::NS_PER_S;
        self.expired |= expires;
        expires
    }
}
