//! A proxy that has no room, no memory, or no answer: no VM traps, no verdict is wrong, and all is well once that is over.

use crate::bundles::{BLOCKED, bundle, make};
use crate::fleet::{Fleet, MAIN, THREADS, Verdict, WORKERS};
use riskgate_push_protocol::{VmAnswer, VmReport};
use riskgate_wasm_host::{Fault, HostCall};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Longer than the longest waits: for a stream 30 s, for a bundle that was refused for now 5 s.
const HEALED_BY_S: u64 = 60;
const INTERNAL_FAILURE: Fault = Fault::Status(10);
/// Lets calls that `is_meant` fail from the one of number `first` on, so many of them, and counts all that it picks.
fn fail(
    fleet: &mut Fleet,
    first: usize,
    count: usize,
    is_meant: fn(&HostCall<'_>) -> bool,
) -> Arc<AtomicUsize> {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    fleet.server.process().on_call(move |call| {
        if !is_meant(call) {
            return None;
        }
        let number = counter.fetch_add(1, Ordering::Relaxed);
        (first..first.saturating_add(count))
            .contains(&number)
            .then_some(INTERNAL_FAILURE)
    });
    made
}

fn heal(fleet: &mut Fleet) {
    fleet.server.process().on_call(|_| None);
}

/// No VM has trapped, and each decides by one of these revisions.
fn check(fleet: &mut Fleet, revisions: &[u64], when: &str) {
    for worker in WORKERS {
        let verdict = fleet.verdict(worker);
        let is_known = revisions
            .iter()
            .any(|revision| verdict == Verdict::Of(*revision));
        assert!(is_known, "{when}: {verdict:?}, not of {revisions:?}");
    }
    for thread in THREADS {
        assert!(!fleet.vm(thread).is_dead(), "{when}: {thread}");
    }
}

/// In the end all VMs serve it, and the push service knows.
fn ends_well(fleet: &mut Fleet, revision: u64, when: &str) {
    for _ in 0..HEALED_BY_S {
        let is_everywhere = fleet.verdicts() == [Verdict::Of(revision); 2];
        if is_everywhere && fleet.all_acknowledged(THREADS.len(), revision) {
            return;
        }
        fleet.pass(1_000);
    }
    panic!(
        "{when}: {:?} {:?}",
        fleet.verdicts(),
        fleet.pusher.borrow().vms()
    );
}

/// What goes wrong while a bundle comes: so many calls from one on, each time from a later one, until there are no more.
/// Between two of them all is well again.
fn sweep(count: usize, lasts_ms: u64, step: usize, is_meant: fn(&HostCall<'_>) -> bool) -> usize {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let mut revision = 1;
    for first in (0..).step_by(step) {
        revision += 1;
        let made = fail(&mut fleet, first, count, is_meant);
        fleet.publish(revision);
        fleet.pass(lasts_ms);
        heal(&mut fleet);
        let when = format!("from call {first} on");
        check(&mut fleet, &[revision - 1, revision], &when);
        ends_well(&mut fleet, revision, &when);
        if made.load(Ordering::Relaxed) <= first {
            return first;
        }
    }
    0
}

fn is_memory(call: &HostCall<'_>) -> bool {
    call.name == "proxy_on_memory_allocate"
}

fn is_shared(call: &HostCall<'_>) -> bool {
    call.name.contains("shared")
}

#[test]
fn there_is_no_memory_for_one_answer() {
    assert!(sweep(1, 100, 1, is_memory) > 50);
}

#[test]
fn one_call_fails() {
    assert!(sweep(1, 100, 1, |call| !is_memory(call)) > 150);
}

#[test]
fn there_is_no_memory_for_any_answer_for_a_while() {
    assert!(sweep(usize::MAX, 1_000, 20, is_memory) > 50);
}

#[test]
fn shared_data_and_queues_fail_for_a_while() {
    assert!(sweep(usize::MAX, 1_000, 20, is_shared) > 50);
}

/// From the first callback on, and longer than any VM waits for the others.
#[test]
fn vms_that_can_share_nothing_have_a_stream_each_and_one_in_the_end() {
    let mut fleet = Fleet::before_its_first_tick();
    fail(&mut fleet, 0, usize::MAX, is_shared);
    fleet.pass(5_000);
    assert_eq!(fleet.open().len(), THREADS.len());
    for revision in 1..=3 {
        fleet.publish(revision);
        fleet.pass(100);
        check(&mut fleet, &[revision], "alone");
    }
    heal(&mut fleet);
    ends_well(&mut fleet, 3, "together again");
    fleet.pass(1_000);
    assert_eq!(fleet.open().len(), 1);
    fleet.publish(4);
    check(&mut fleet, &[4], "together again");
}

#[test]
fn one_call_fails_while_vms_start() {
    for first in (0..400).step_by(7) {
        let mut fleet = Fleet::before_its_first_tick();
        fleet.pusher.borrow_mut().publish(bundle(1));
        let made = fail(&mut fleet, first, 1, |_| true);
        fleet.pass(300);
        heal(&mut fleet);
        let when = format!("call {first}");
        ends_well(&mut fleet, 1, &when);
        check(&mut fleet, &[1], &when);
        assert!(made.load(Ordering::Relaxed) > first, "{when} was made");
    }
}

#[test]
fn full_shared_data_keeps_what_it_has_and_takes_the_rest_when_there_is_room() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let shared_data = fleet.server.process().shared_data();
    let full = shared_data.bytes();
    for room in [0, 100, 700, 1_500] {
        shared_data.set_limit_bytes(Some(full + room));
        fleet.publish(2);
        fleet.pass(5_000);
        check(&mut fleet, &[1, 2], &format!("room for {room} bytes"));
        assert_eq!(fleet.revision(MAIN), 2, "who has the stream needs no room");
        // A VM that starts now has one of them.
        fleet.vm(WORKERS[0]).kill();
        fleet.pass(2_000);
        check(&mut fleet, &[1, 2], &format!("room for {room} bytes"));
    }
    shared_data.set_limit_bytes(None);
    ends_well(&mut fleet, 2, "with room");
}

#[test]
fn a_request_of_which_a_call_fails_is_never_let_through() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    for is_meant in [is_memory as fn(&HostCall<'_>) -> bool, |call| {
        !is_memory(call)
    }] {
        for first in 0.. {
            let made = fail(&mut fleet, first, 1, is_meant);
            let outcome = fleet.request(WORKERS[0], BLOCKED);
            heal(&mut fleet);
            let status = outcome.status();
            assert!(matches!(status, Some(403 | 503)), "{first}: {status:?}");
            assert!(!outcome.reached_upstream, "{first}");
            check(&mut fleet, &[1], "after it");
            if made.load(Ordering::Relaxed) <= first {
                assert!(first > 0);
                break;
            }
        }
    }
}

#[test]
fn a_vm_without_memory_keeps_its_rules_and_says_so() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let large = make("shop", 2, 5_000);
    let before = THREADS.map(|thread| fleet.vm(thread).proxy().memory_bytes());
    let mut refused = [0; 2];
    for pages in 0..12 {
        for (thread, bytes) in THREADS.into_iter().zip(before) {
            let limit = bytes + pages * 65_536;
            fleet.vm(thread).proxy_mut().set_memory_limit_bytes(limit);
        }
        fleet.publish_bytes(Arc::clone(&large));
        fleet.pass(6_000);
        check(&mut fleet, &[1, 2], &format!("{pages} pages"));
        let vms = fleet.pusher.borrow().vms();
        let is_shared = vms.iter().any(|vm| serves(vm, 2));
        let are_behind = vms.iter().filter(|vm| !serves(vm, 2));
        let have_no_memory = are_behind.clone().filter(|vm| has_no_memory_for(vm, 2));
        refused[usize::from(is_shared)] += have_no_memory.count();
        if is_shared {
            // Whoever finds it in shared data and does not take it says why.
            let silent: Vec<_> = are_behind.filter(|vm| !has_no_memory_for(vm, 2)).collect();
            assert!(silent.is_empty(), "{pages} pages: {silent:?}");
        }
    }
    let [of_the_stream, of_shared_data] = refused;
    assert!(of_the_stream > 0 && of_shared_data > 0, "{refused:?}");
    for thread in THREADS {
        fleet.vm(thread).proxy_mut().set_memory_limit_bytes(1 << 30);
    }
    fleet.pass(60_000);
    check(&mut fleet, &[2], "with memory");
}

fn serves(vm: &VmReport, revision: u64) -> bool {
    vm.held.is_some_and(|held| held.revision == revision)
}

fn has_no_memory_for(vm: &VmReport, revision: u64) -> bool {
    match &vm.answer {
        VmAnswer::Nack(nack) => {
            (nack.bundle.revision, &nack.reason[..], nack.permanent)
                == (revision, "no-memory", false)
        }
        VmAnswer::Ack(_) | VmAnswer::Pending => false,
    }
}
