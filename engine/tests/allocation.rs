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

#[allow(
    dead_code,
    reason = "shared with the tests of bundles, which use all of it"
)]
#[path = "bundle/counted.rs"]
mod counted;

use std::net::IpAddr;

use allocation_counter::{AllocationInfo, measure};
use riskgate_engine::counters::{CounterIndex, CounterStore, Pending};
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;
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

/// Takes notice of all that it is told, and keeps none of it.
#[derive(Default)]
struct Forgetful {
    told: usize,
}

impl CounterStore for Forgetful {
    fn count(&mut self, _: CounterIndex, _: u64, _: u64, _: Option<u64>) {
        self.told += 1;
    }

    fn read(&mut self, _: CounterIndex, _: u64, _: u64) -> u64 {
        self.told += 1;
        2
    }

    fn hash_key(&self) -> &[u8; 32] {
        &[5; 32]
    }
}

#[test]
fn counting_allocates_nothing() {
    const DEVICES: &[(&[u8], &[u8])] = &[(b"x-device", b"a"), (b"x-device", b"b")];
    const RESULT: &[(&[u8], &[u8])] = &[(b"x-result", b"bad")];
    let ruleset = fixture::load(&counted::bundle()).unwrap();
    let mut store = Forgetful::default();
    let (mut pending, mut scratch) = (Pending::default(), Scratch::default());
    let mut count_all = || {
        for path in [b"/buy".as_slice(), b"/login", b"/"] {
            let request = Request {
                path: Some(path),
                headers: DEVICES,
                client_ip: Some(IpAddr::from([192, 0, 2, 1])),
                ..Request::default()
            };
            let (store, pending) = (&mut store, &mut pending);
            let verdict = ruleset.decide_counted(&request, store, pending, &mut scratch);
            assert!(verdict.matched().count() > 0);
            let response = Response {
                code: Some(200),
                headers: RESULT,
            };
            ruleset.count_response(pending, &response, 0, store, &mut scratch);
        }
    };
    assert!(measure(&mut count_all).count_total > 0);
    assert_eq!(measure(&mut count_all).count_total, 0);
    assert!(store.told > 2 * 3 * 4);
}
