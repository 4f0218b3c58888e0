//! One stream for all VMs, whatever becomes of the VM that keeps it.

use crate::filter::configuration_with;
use crate::fleet::{Fleet, MAIN, PUSH, THREADS, TICK_MS, Verdict, WORKERS};
use riskgate_wasm_host::Fault;

/// A lease lasts for 3 s, and its next holder waits up to half a second with its stream.
const LEASE_MOVES_MS: u64 = 3_000 + 500 + 3 * TICK_MS;
/// A VM that was not heard of for 5 s is not reported any more.
const FORGOTTEN_MS: u64 = 5_000 + 2_000;

/// What becomes of the VM that keeps the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Traps,
    Hangs,
}

fn both(revision: u64) -> [Verdict; 2] {
    [Verdict::Of(revision); 2]
}

/// Lets that happen to the holder, and gives the thread.
fn strike(fleet: &mut Fleet, fate: Fate) -> usize {
    let holder = fleet.holder();
    match fate {
        Fate::Traps => fleet.vm(holder).kill(),
        Fate::Hangs => fleet.stall(holder, true),
    }
    holder
}

#[test]
fn what_comes_down_one_stream_decides_in_every_vm_before_its_next_tick() {
    let mut fleet = Fleet::new();
    assert_eq!(fleet.verdicts(), [Verdict::NoRules; 2]);
    for revision in 1..=5 {
        fleet.publish(revision);
        assert_eq!(fleet.verdicts(), both(revision));
        assert_eq!(fleet.revision(MAIN), revision.cast_signed());
        assert!(fleet.all_acknowledged(THREADS.len(), revision));
    }
    fleet.pass(20_000);
    assert_eq!((fleet.hellos(), fleet.open().len()), (1, 1));
}

#[test]
fn only_sections_that_changed_travel() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let whole = fleet.pusher.borrow().sent_bytes;
    fleet.publish(2);
    let changed = fleet.pusher.borrow().sent_bytes - whole;
    assert!(changed < whole, "{changed} of {whole} bytes");
    // Who connects again is sent nothing.
    strike(&mut fleet, Fate::Traps);
    fleet.pass(LEASE_MOVES_MS);
    assert_eq!(fleet.hellos(), 2);
    assert_eq!(fleet.pusher.borrow().sent_bytes, whole + changed);
}

#[test]
fn a_holder_that_traps_or_hangs_loses_the_stream_to_another_vm() {
    for fate in [Fate::Traps, Fate::Hangs] {
        let mut fleet = Fleet::new();
        fleet.publish(1);
        let first = strike(&mut fleet, fate);
        fleet.pass(LEASE_MOVES_MS);
        assert_ne!(fleet.holder(), first, "{fate:?}");
        assert_eq!(fleet.hellos(), 2, "{fate:?}");
        fleet.publish(2);
        assert_eq!(fleet.verdicts(), both(2), "{fate:?}");
        fleet.pass(FORGOTTEN_MS);
        assert!(fleet.all_acknowledged(WORKERS.len(), 2), "{fate:?}");
    }
}

#[test]
fn the_stream_goes_on_from_vm_to_vm_as_long_as_one_is_left() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    for (revision, left) in [(2, 2), (3, 1)] {
        strike(&mut fleet, Fate::Traps);
        fleet.pass(LEASE_MOVES_MS);
        fleet.publish(revision);
        let verdicts = fleet.verdicts();
        let served = verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Of(revision));
        assert!(served.count() >= left.min(WORKERS.len()), "{verdicts:?}");
    }
    // The requests have brought the dead worker's VM back.
    assert_eq!(fleet.verdicts(), both(3));
    fleet.pass(FORGOTTEN_MS);
    assert!(
        fleet.all_acknowledged(WORKERS.len(), 3),
        "all but the main thread's"
    );
}

#[test]
fn a_trap_in_the_middle_of_a_transfer_leaves_it_to_the_next_holder() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let holder = fleet.holder();
    let number = fleet.number(holder);
    let mut sent = 0;
    fleet.server.process().on_call(move |call| {
        let sends = call.vm == number && call.name == "proxy_grpc_send";
        sent += u32::from(sends);
        (sends && sent == 3).then_some(Fault::Trap)
    });
    fleet.publish(2);
    assert!(fleet.vm(holder).is_dead());
    assert_eq!(fleet.verdicts(), both(1));
    fleet.pass(LEASE_MOVES_MS);
    assert_eq!(fleet.verdicts(), both(2));
}

#[test]
fn another_configuration_drains_the_holder_and_nothing_is_missed() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    for revision in 2..=6 {
        let more = format!(r#"{PUSH},"jwt_payload_key":"p{revision}""#);
        let configuration = configuration_with(&more);
        fleet
            .server
            .reconfigure(fleet.plugin, &configuration)
            .unwrap();
        assert_eq!(fleet.verdicts(), both(revision - 1));
        fleet.pass(1_000);
        fleet.holder();
        fleet.publish(revision);
        assert_eq!(fleet.verdicts(), both(revision));
        assert!(fleet.all_acknowledged(THREADS.len(), revision));
    }
}

#[test]
fn a_holder_that_comes_back_brings_nothing_back() {
    // Once with a push service that closes the stream of the older lease, and once with two that know nothing of each other.
    for is_lenient in [false, true] {
        let mut fleet = Fleet::new();
        fleet.pusher.borrow_mut().is_lenient = is_lenient;
        fleet.publish(1);
        let hung = strike(&mut fleet, Fate::Hangs);
        // It is on its way to a VM that does not read.
        fleet.publish(2);
        assert_eq!(fleet.verdicts(), both(1));
        fleet.pass(LEASE_MOVES_MS);
        assert_eq!(fleet.verdicts(), both(2), "it came to the next holder");
        fleet.publish(3);
        assert_eq!(fleet.verdicts(), both(3));
        assert_eq!(fleet.open().len(), 1 + usize::from(is_lenient));
        fleet.stall(hung, false);
        for _ in 0..20 {
            fleet.settle();
            assert_eq!(fleet.verdicts(), both(3));
            fleet.pass(TICK_MS);
        }
        assert_ne!(fleet.holder(), hung, "it found the lease taken");
        assert_eq!(fleet.revision(hung), 3);
        fleet.publish(4);
        assert_eq!(fleet.verdicts(), both(4));
        fleet.pass(FORGOTTEN_MS);
        assert!(fleet.all_acknowledged(THREADS.len(), 4));
    }
}

#[test]
fn a_push_service_that_comes_back_is_asked_once() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    fleet.pusher.borrow_mut().leave();
    fleet.pass(10_000);
    assert_eq!(fleet.verdicts(), both(1));
    let before = fleet.hellos();
    fleet.pusher.borrow_mut().is_away = false;
    fleet.publish(2);
    fleet.pass(31_000);
    assert_eq!(fleet.verdicts(), both(2));
    assert_eq!((fleet.hellos(), fleet.open().len()), (before + 1, 1));
}
