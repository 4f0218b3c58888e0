//! Deciding takes no memory from the allocator once the scratch has seen requests as large as they come.
//!
//! A test binary of its own: `allocation_counter` replaces its global allocator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

#[allow(
    dead_code,
    reason = "shared with the tests of bundles, which use all of it"
)]
#[path = "bundle/fixture.rs"]
mod fixture;

use allocation_counter::{AllocationInfo, measure};
use riskgate_engine::ruleset::{Ruleset, Scratch};

/// Decides all requests of the fixture and reads everything of the verdicts but the local reply, which a request that
/// ends at the proxy allocates.
fn decide_all(ruleset: &Ruleset, scratch: &mut Scratch) -> usize {
    let mut read = 0;
    fixture::for_each_request(|request| {
        let verdict = ruleset.decide(request, scratch);
        let names = verdict
            .matched()
            .chain(verdict.shadowed())
            .chain(verdict.rule());
        read += names.map(str::len).sum::<usize>();
        read += verdict
            .tags()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
        read += usize::from(verdict.status().is_some()) + verdict.would().as_str().len();
    });
    read
}

/// The fixture's own allocations, to build its longest request.
fn of_the_requests() -> AllocationInfo {
    measure(|| fixture::for_each_request(|request| assert!(request.headers.len() < 8)))
}

#[test]
fn a_warm_scratch_allocates_nothing() {
    let ruleset = fixture::load(&fixture::bundle()).unwrap();
    let mut scratch = Scratch::default();
    let cold = measure(|| assert!(decide_all(&ruleset, &mut scratch) > 0));
    let requests = of_the_requests();
    assert!(
        cold.count_total > requests.count_total,
        "the counter does not count"
    );
    let warm = measure(|| assert!(decide_all(&ruleset, &mut scratch) > 0));
    assert_eq!(
        (warm.count_total, warm.bytes_total),
        (requests.count_total, requests.bytes_total)
    );
}
