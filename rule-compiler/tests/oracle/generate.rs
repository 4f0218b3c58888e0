//! Random rulesets and requests of one small vocabulary, so that rules often match.

mod body;
mod condition;
mod counted;
mod crowd;
mod damage;
mod dense;
mod dice;
mod hostile;
mod mutation;
mod number;
mod outcome;
mod pattern;
mod plant;
mod request;
mod ruleset;
mod tangle;
mod words;

use proptest::collection::{SizeRange, vec};
use proptest::prelude::Strategy;
use riskgate_compiler::ir::Ruleset;

pub(crate) use body::body;
pub(crate) use counted::{Counted, ResponseCase, counted, counted_of, with_counters};
pub(crate) use crowd::{crowded_prefixes, crowded_strings};
pub(crate) use damage::{Damage, damage};
pub(crate) use dense::Dense;
pub(crate) use dice::Dice;
pub(crate) use hostile::derivation;
pub(crate) use mutation::base64;
pub(crate) use number::number_comparisons;
pub(crate) use pattern::{pattern, text};
pub(crate) use request::{Bytes, RequestCase};
pub(crate) use tangle::{knot, tangle};

/// A ruleset and the requests that it decides.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) ruleset: Ruleset,
    pub(crate) requests: Vec<RequestCase>,
}

/// A random case; most requests carry something that a rule of theirs looks for.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    case_of(1..=10)
}

/// A random case with this many requests.
pub(crate) fn case_of(requests: impl Into<SizeRange>) -> impl Strategy<Value = Case> {
    let requests = vec((request::request(), vec(plant::plant(), 0..5)), requests);
    (ruleset::ruleset(), requests).prop_map(|(ruleset, requests)| {
        let planted = |(mut request, plants): (RequestCase, Vec<plant::Plant>)| {
            plants
                .iter()
                .for_each(|plant| plant::apply(&mut request, plant, &ruleset));
            request
        };
        let requests = requests.into_iter().map(planted).collect();
        Case { ruleset, requests }
    })
}
