//! What is decided in the benchmarks of the engine and of the module: rulesets, requests, and the matches that each request must have.
//!
//! Every expectation is known without the engine: from the plain evaluator of [`crate::model`], from the `regex` crate, or
//! by construction.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use riskgate_engine::ruleset::{Ruleset, Scratch};

use crate::model::{self, Rule, Shape, TrafficItem};
use crate::prepared::Prepared;

mod bodies;
mod enriched;
mod hostile;
mod lists;
mod regexes;

/// Where the figures come from: every ruleset and request follows from it.
pub const SEED: u64 = 20_261_123;

/// Requests of one stream.
const REQUESTS: usize = 512;

/// A ruleset with several streams of requests.
pub struct Suite {
    /// What its figures stand together under.
    pub group: &'static str,
    /// How many rules it has.
    pub rules: usize,
    /// Names and texts of its files.
    pub files: Vec<(String, String)>,
    /// At least one.
    pub streams: Vec<Stream>,
}

/// Requests of one kind.
pub struct Stream {
    /// What kind.
    pub name: String,
    /// In the order in which they are decided.
    pub cases: Vec<Case>,
    /// How many of them may match beyond what is expected: approximate lists take some values for their own.
    pub may_differ: usize,
}

/// A request and its matches.
pub struct Case {
    /// The request.
    pub item: TrafficItem,
    /// Ids of the rules that match, enforced or not, in source order.
    pub expect: Vec<String>,
}

/// A suite that is generated when its turn comes: all at once would not fit.
pub struct Planned {
    /// What its figures stand together under.
    pub group: &'static str,
    /// How many rules, or values of a list.
    pub size: usize,
    make: fn(usize) -> Suite,
}

impl Planned {
    /// Generates rules, requests and expectations.
    #[must_use]
    pub fn make(&self) -> Suite {
        (self.make)(self.size)
    }
}

/// A group, its sizes, and what makes a suite of a size.
type Group = (&'static str, &'static [usize], fn(usize) -> Suite);

const GROUPS: [Group; 9] = [
    ("selective", &[10, 100, 1000, 10_000, 100_000], |count| {
        generated(Shape::Selective, count)
    }),
    ("unselective", &[10, 100, 1000, 10_000, 100_000], |count| {
        generated(Shape::Unselective, count)
    }),
    ("enriched", &[10, 100, 1000, 10_000], enriched::suite),
    ("bodies", &[10, 1000, 10_000], bodies::suite),
    ("regexes", &[30, 300], regexes::suite),
    ("hostile", &[1000], hostile::suite),
    ("strings list", &[1000, 1_000_000], lists::strings),
    ("approximate list", &[1000, 1_000_000], lists::approximate),
    ("networks list", &[1000, 1_000_000], lists::networks),
];

/// Every suite whose size is at most `largest`.
#[must_use]
pub fn plan(largest: usize) -> Vec<Planned> {
    let planned = GROUPS.iter().flat_map(|&(group, sizes, make)| {
        let sizes = sizes.iter().filter(move |size| **size <= largest);
        sizes.map(move |&size| Planned { group, size, make })
    });
    planned.collect()
}

/// A suite of any size.
#[must_use]
pub fn suite(group: &str, size: usize) -> Option<Suite> {
    let mut groups = GROUPS.iter();
    let (_, _, make) = groups.find(|(name, _, _)| *name == group)?;
    Some(make(size))
}

fn generated(shape: Shape, count: usize) -> Suite {
    let rules = model::rules(SEED, count, shape);
    let stream = |name: &str, seed, share| Stream {
        name: name.to_owned(),
        cases: expected(&rules, model::traffic(seed, &rules, REQUESTS, share)),
        may_differ: 0,
    };
    Suite {
        group: shape.name(),
        rules: count,
        files: model::to_texts(&rules),
        streams: vec![stream("hit", SEED + 1, 1.0), stream("miss", SEED + 2, 0.0)],
    }
}

/// What the plain evaluator says.
fn expected(rules: &[Rule], items: Vec<TrafficItem>) -> Vec<Case> {
    let case = |item| {
        let matching = rules.iter().filter(|rule| model::matches(rule, &item));
        let expect = matching.map(|rule| rule.id.clone()).collect();
        Case { item, expect }
    };
    items.into_iter().map(case).collect()
}

/// Compares what the engine says of every request with what it must say, and returns how many there were.
///
/// # Errors
///
/// Shows the first request with a wrong answer.
pub fn check(ruleset: &Ruleset, stream: &Stream) -> Result<u64> {
    let mut scratch = Scratch::default();
    let mut answers = Answers::of(stream);
    for case in &stream.cases {
        let prepared = Prepared::new(&case.item);
        prepared.decide(ruleset, &mut scratch, |verdict| {
            let got = verdict.matched().chain(verdict.shadowed()).collect();
            answers.compare(case, &got)
        })?;
    }
    Ok(stream.cases.len() as u64)
}

/// Answers to the requests of a stream, each given once, and what they must be.
pub struct Answers<'a> {
    stream: &'a Stream,
    different: usize,
}

impl Answers<'_> {
    /// None are given yet.
    #[must_use]
    pub fn of(stream: &Stream) -> Answers<'_> {
        Answers {
            stream,
            different: 0,
        }
    }

    /// Compares the rules that match, enforced or not.
    ///
    /// # Errors
    ///
    /// When they are not the expected ones, nor such as the stream puts up with.
    pub fn compare(&mut self, case: &Case, got: &BTreeSet<&str>) -> Result<()> {
        let want: BTreeSet<&str> = case.expect.iter().map(String::as_str).collect();
        let is_more = got.len() > want.len() && got.is_superset(&want);
        let is_right = *got == want || (is_more && self.may_differ_once_more());
        ensure!(
            is_right,
            "stream `{}`: {got:?} match and not {want:?} for {}",
            self.stream.name,
            beginning_of(&case.item)
        );
        Ok(())
    }

    /// Compares how many rules match, enforced or not.
    ///
    /// # Errors
    ///
    /// When there are not as many as expected, nor as many as the stream puts up with.
    pub fn compare_count(&mut self, case: &Case, got: usize) -> Result<()> {
        let want = case.expect.len();
        let is_right = got == want || (got > want && self.may_differ_once_more());
        ensure!(
            is_right,
            "stream `{}`: {got} rules match and not {want} for {}",
            self.stream.name,
            beginning_of(&case.item)
        );
        Ok(())
    }

    fn may_differ_once_more(&mut self) -> bool {
        self.different += 1;
        self.different <= self.stream.may_differ
    }
}

/// Enough to find it by: some requests are long.
fn beginning_of(item: &TrafficItem) -> String {
    format!("{item:?}").chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_gives_every_expected_answer() {
        for planned in plan(1000) {
            let suite = planned.make();
            let ruleset = crate::compile(&suite.files).unwrap();
            for stream in &suite.streams {
                let place = format!("{} {} {}", suite.group, suite.rules, stream.name);
                let checked = check(&ruleset, stream).expect(&place);
                assert!(checked > 0, "{place}");
            }
        }
    }

    #[test]
    fn a_wrong_answer_is_found() {
        let mut suite = generated(Shape::Selective, 10);
        let ruleset = crate::compile(&suite.files).unwrap();
        let hits = &mut suite.streams[0];
        hits.cases[7].expect.clear();
        assert!(check(&ruleset, hits).is_err());
    }
}
