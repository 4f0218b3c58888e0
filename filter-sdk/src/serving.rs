//! What serves now: a ruleset, an expired one, or nothing.

use crate::config::Config;
use crate::counters::{NodeCounters, Surroundings};
use crate::host::Host;
use crate::metrics::Metrics;
use riskgate_engine::admission::Mark;
use riskgate_engine::assembly::WholeSection;
use riskgate_engine::ruleset::{Ruleset, Scratch};
use riskgate_engine::trust::TrustedKeys;

/// What serves all filters of a VM that judge bundles alike. Swaps happen between requests, never in one.
#[derive(Default)]
pub(crate) struct Serving {
    served: Option<Served>,
    /// The highest bundle that is known to have been accepted under these keys, by whichever VM.
    floor: Option<Mark>,
    /// Warm for the ruleset that serves.
    scratch: Scratch,
    counters: NodeCounters,
    /// What the wall clock said when it last said anything.
    wall_ns: u64,
}

#[derive(Clone)]
struct Served {
    ruleset: Ruleset,
    /// Latched: a clock that jumps back revives nothing; the next revision heals.
    expired: bool,
}

/// What decides a request.
pub(crate) struct Standing<'s> {
    pub(crate) ruleset: &'s Ruleset,
    pub(crate) scratch: &'s mut Scratch,
    pub(crate) counters: &'s mut NodeCounters,
    /// The time that counts for this request.
    pub(crate) now_ns: u64,
    /// The ruleset's `on_expired` decides.
    pub(crate) expired: bool,
    /// This request is the first one to find that.
    pub(crate) expired_just_now: bool,
}

impl Serving {
    /// What a filter with other trusted keys begins with: a copy, if they would have let in what serves. A later swap
    /// changes only one of the two.
    pub(crate) fn adopted_under(&self, trust: &TrustedKeys) -> Option<Serving> {
        let served = self.served.as_ref()?;
        served.ruleset.check_trust(trust).ok()?;
        Some(Serving {
            served: Some(served.clone()),
            wall_ns: self.wall_ns,
            ..Serving::default()
        })
    }

    /// Of several, the greatest is to serve: the highest revision, and of equal ones that which is known to have
    /// expired.
    pub(crate) fn precedence(&self) -> Option<(u64, bool)> {
        let served = self.served.as_ref()?;
        Some((served.ruleset.revision(), served.expired))
    }

    /// Lets a ruleset serve.
    pub(crate) fn swap(&mut self, ruleset: Ruleset, expired: bool) {
        self.raise_floor(ruleset.mark());
        self.served = Some(Served { ruleset, expired });
        self.scratch = Scratch::default();
    }

    /// The ruleset that serves.
    pub(crate) fn ruleset(&self) -> Option<&Ruleset> {
        self.served.as_ref().map(|served| &served.ruleset)
    }

    /// The sections of the ruleset that serves.
    pub(crate) fn whole_sections(&self) -> &[WholeSection] {
        self.ruleset().map_or(&[], Ruleset::whole_sections)
    }

    /// Takes note of a bundle that was accepted, in this VM or in another one.
    pub(crate) fn raise_floor(&mut self, mark: Mark) {
        if self
            .floor()
            .is_none_or(|floor| floor.revision < mark.revision)
        {
            self.floor = Some(mark);
        }
    }

    /// The highest bundle that is known to have been accepted, whether it serves here or not.
    pub(crate) fn floor(&self) -> Option<Mark> {
        let marks = [self.mark(), self.floor];
        marks.into_iter().flatten().max_by_key(|mark| mark.revision)
    }

    /// Lets the ruleset that serves count.
    pub(crate) fn prepare_counters(&mut self, host: &dyn Host, metrics: &Metrics) {
        if let Some(served) = &self.served {
            self.counters
                .adopt(served.ruleset.counters(), host, metrics);
        }
    }

    /// Exchanges counts with the proxy's other VMs.
    pub(crate) fn exchange_counters(
        &mut self,
        host: &dyn Host,
        metrics: &Metrics,
        config: &Config,
    ) {
        if self.counters.is_empty() {
            return;
        }
        let time_us = time_us(self.now_ns(host.now_ns().ok()));
        self.counters.tick(&Surroundings {
            host,
            metrics,
            config,
            time_us,
        });
    }

    /// The highest bundle accepted so far.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.served.as_ref().map(|served| served.ruleset.mark())
    }

    /// Whether what serves has expired.
    pub(crate) fn is_expired(&self) -> bool {
        self.served.as_ref().is_some_and(|served| served.expired)
    }

    /// The time that counts at `wall_ns` by the wall clock: no earlier than the issue of the bundle that serves. Only where the
    /// clock failed it is what that said last; a clock that was ahead for a moment must not keep rules from going by
    /// the right time after it. What others accepted does not count: that is only known from shared data.
    pub(crate) fn now_ns(&mut self, wall_ns: Option<u64>) -> u64 {
        self.wall_ns = wall_ns.unwrap_or(self.wall_ns);
        let issued_at_s = self.mark().map_or(0, |mark| mark.issued_at_s);
        self.wall_ns
            .max(issued_at_s.saturating_mul(crate::NS_PER_S))
    }

    /// What decides a request that comes at `wall_ns` by the wall clock, which may have failed, to a filter that takes
    /// no revision below `min_revision`; `None` if nothing serves it.
    pub(crate) fn standing(
        &mut self,
        min_revision: u64,
        wall_ns: Option<u64>,
    ) -> Option<Standing<'_>> {
        let now_ns = self.now_ns(wall_ns);
        let served = self
            .served
            .as_mut()
            .filter(|served| served.ruleset.revision() >= min_revision)?;
        let expired_just_now = served.expires_by(now_ns);
        Some(Standing {
            ruleset: &served.ruleset,
            scratch: &mut self.scratch,
            counters: &mut self.counters,
            now_ns,
            expired: served.expired,
            expired_just_now,
        })
    }
}

impl Served {
    /// Latches expiry; true when it came by this.
    fn expires_by(&mut self, now_ns: u64) -> bool {
        let expires = !self.expired && self.ruleset.expires_at_s() <= now_ns / crate::NS_PER_S;
        self.expired |= expires;
        expires
    }
}

/// Microseconds since the Unix epoch, as the engine takes the time.
pub(crate) fn time_us(now_ns: u64) -> i64 {
    i64::try_from(now_ns / 1_000).unwrap_or(i64::MAX)
}
