//! Which rulesets a run makes, and how many requests it asks each.

use super::finding::Asked;
use crate::oracle::generate::{Dense, Dice, case_of, counted_of};

/// What a case is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A few rules with every operator, transform and action.
    Mixed,
    /// The same with counters, over a while.
    Counted,
    /// This many rules over one stock.
    Dense(usize),
}

/// One case of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub(super) at: u64,
    pub(super) kind: Kind,
    /// How many requests it asks.
    pub(super) requests: usize,
    seed: u64,
}

/// How often of all a kind comes, and how many requests it then asks: about two fifths of all pairs go to rulesets of up to
/// a dozen rules, a third of those with counters, a fifth each to 10, 100 and 1,000, one in fifty to 10,000 and the rest to 100,000.
const SHARES: [(usize, Kind, usize); 7] = [
    (24_000, Kind::Mixed, 10),
    (5_000, Kind::Counted, 24),
    (8_000, Kind::Dense(10), 20),
    (2_000, Kind::Dense(100), 100),
    (400, Kind::Dense(1_000), 400),
    (40, Kind::Dense(10_000), 400),
    (1, Kind::Dense(100_000), 200),
];

impl Task {
    /// The case at this place of the run; of the kinds with more rules than `max_rules` it makes smaller ones.
    pub(super) fn new(run_seed: u64, at: u64, max_rules: usize) -> Self {
        let mut dice = Dice::new(run_seed.wrapping_add(at.wrapping_mul(0x5851_f42d_4c95_7f2d)));
        let all = SHARES.iter().map(|(share, ..)| share).sum();
        let mut place = dice.below(all);
        let (_, kind, requests) = SHARES
            .into_iter()
            .find(|(share, ..)| {
                let found = place < *share;
                place = place.saturating_sub(*share);
                found
            })
            .expect("the place is below the sum");
        let kind = match kind {
            Kind::Dense(rules) => Kind::Dense(rules.min(max_rules)),
            small => small,
        };
        Self {
            at,
            kind,
            requests,
            seed: dice.bits(),
        }
    }

    /// Every other case is decided by the heads of its requests, where their bodies make no difference.
    pub(super) fn case(&self) -> Asked {
        let mut dice = Dice::new(self.seed);
        let by_head = !self.at.is_multiple_of(2);
        let (ruleset, requests) = match self.kind {
            Kind::Mixed => {
                let case = dice.draw(&case_of(self.requests));
                (case.ruleset, case.requests)
            }
            Kind::Counted => {
                let counted = dice.draw(&counted_of(self.requests));
                return Asked {
                    ruleset: counted.ruleset,
                    requests: counted.requests,
                    by_head,
                };
            }
            Kind::Dense(rules) => {
                let dense = Dense::new(rules, &mut dice);
                let requests = (0..self.requests)
                    .map(|_| dense.request(&mut dice))
                    .collect();
                (dense.ruleset, requests)
            }
        };
        Asked {
            ruleset,
            requests: requests
                .into_iter()
                .map(|request| (request, None))
                .collect(),
            by_head,
        }
    }
}
