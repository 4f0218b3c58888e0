//! Timing decisions.

use std::hint::black_box;
use std::time::{Duration, Instant};

use riskgate_engine::ruleset::{Ruleset, Scratch};

use crate::prepared::Prepared;
use crate::record::Run;
use crate::workloads::Case;

/// What decisions of a stream took, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decisions {
    /// The median of the rounds' means; a round decides every request of the stream once.
    pub median_ns: f64,
    /// The lower quartile of the rounds.
    pub low_ns: f64,
    /// The upper quartile of the rounds.
    pub high_ns: f64,
    /// Of a hundred decisions, timed one by one, 99 took no longer. The clock's own time is in it.
    pub p99_ns: f64,
    /// How many rounds.
    pub rounds: usize,
}

/// How long one stream may take, and how many rounds are enough.
struct Effort {
    time: Duration,
    rounds: usize,
}

impl Effort {
    fn of(run: Run) -> Effort {
        match run {
            Run::Full => Effort {
                time: Duration::from_secs(1),
                rounds: 501,
            },
            Run::Quick => Effort {
                time: Duration::from_millis(50),
                rounds: 5,
            },
        }
    }
}

/// Fewest rounds, however long one takes.
const MIN_ROUNDS: usize = 3;

/// Times decisions of requests that are laid out beforehand, so that only the engine's time counts.
#[must_use]
pub fn decisions(ruleset: &Ruleset, cases: &[Case], run: Run) -> Decisions {
    let effort = Effort::of(run);
    let prepared: Vec<Prepared<'_>> = cases.iter().map(|case| Prepared::new(&case.item)).collect();
    let mut scratch = Scratch::default();
    let mut rounds = Vec::new();
    let mut singles = Vec::new();
    let begun = Instant::now();
    // The first round warms up.
    let _ = round(ruleset, &prepared, &mut scratch);
    while rounds.len() < MIN_ROUNDS
        || (rounds.len() < effort.rounds && begun.elapsed() < effort.time)
    {
        rounds.push(round(ruleset, &prepared, &mut scratch));
        one_by_one(ruleset, &prepared, &mut scratch, &mut singles);
    }
    rounds.sort_by(f64::total_cmp);
    singles.sort_by(f64::total_cmp);
    Decisions {
        median_ns: quantile(&rounds, 0.5),
        low_ns: quantile(&rounds, 0.25),
        high_ns: quantile(&rounds, 0.75),
        p99_ns: quantile(&singles, 0.99),
        rounds: rounds.len(),
    }
}

/// The mean of all requests, in nanoseconds.
fn round(ruleset: &Ruleset, prepared: &[Prepared<'_>], scratch: &mut Scratch) -> f64 {
    let begun = Instant::now();
    for request in prepared {
        request.decide(ruleset, scratch, |verdict| {
            black_box(verdict.action());
        });
    }
    begun.elapsed().as_nanos() as f64 / prepared.len().max(1) as f64
}

fn one_by_one(
    ruleset: &Ruleset,
    prepared: &[Prepared<'_>],
    scratch: &mut Scratch,
    singles: &mut Vec<f64>,
) {
    for request in prepared {
        let begun = Instant::now();
        request.decide(ruleset, scratch, |verdict| {
            black_box(verdict.action());
        });
        singles.push(begun.elapsed().as_nanos() as f64);
    }
}

/// The value below which a share of sorted values lies: the nearest rank.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values = [1.0, 2.0, 3.0, 4.0, 100.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 0.99), 100.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
