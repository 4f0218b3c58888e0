//! VMs that trap, in requests and while they load.

use crate::bundles::{bundle, id_of};
use crate::fleet::{Fleet, MAIN, THREADS, TICK_MS, Verdict, WORKERS};
use riskgate_push_protocol::VmAnswer;
use riskgate_wasm_host::{Fault, HostCall, SharedData};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A proxy waits for up to a second and a half before it loads a VM again.
const RELOAD_MS: u64 = 1_500;
/// A note begins with the digest of what is loaded.
const NOTE_LEN: usize = 64;

/// A bundle that traps whoever loads it.
#[derive(Clone, Default)]
struct Poison {
    traps: Arc<Mutex<usize>>,
}

impl Poison {
    /// VMs of these numbers trap as soon as they have noted that they load the bundle.
    fn put_into(&self, fleet: &mut Fleet, revision: u64, vms: &[usize]) {
        let digest = id_of(&bundle(revision)).digest.0;
        let shared_data = fleet.server.process().shared_data();
        let (vms, traps) = (vms.to_vec(), Arc::clone(&self.traps));
        let mut loading = BTreeSet::new();
        fleet.server.process().on_call(move |call| {
            if loading.remove(&call.vm) {
                *traps.lock().unwrap() += 1;
                return Some(Fault::Trap);
            }
            if vms.contains(&call.vm) && notes_a_load(call, &shared_data, &digest) {
                loading.insert(call.vm);
            }
            None
        });
    }

    fn traps(&self) -> usize {
        *self.traps.lock().unwrap()
    }
}

/// Whether a VM adds a note that it loads that bundle.
fn notes_a_load(call: &HostCall<'_>, shared_data: &SharedData, digest: &[u8]) -> bool {
    if call.name != "proxy_set_shared_data" {
        return false;
    }
    let (key, notes) = (call.bytes(0).unwrap(), call.bytes(2).unwrap());
    let before = shared_data.get(key).map_or(0, |(notes, _)| notes.len());
    // Its own note comes last; those before it are of others.
    let own = notes.chunks(NOTE_LEN).next_back();
    let is_named = own.is_some_and(|note| note.starts_with(digest));
    key.ends_with(b"/attempts") && is_named && notes.len() > before
}

/// For so long each request is decided by one of these revisions, or finds no VM where one trapped.
fn serve(fleet: &mut Fleet, ms: u64, revisions: &[u64]) {
    for _ in 0..ms / TICK_MS {
        fleet.pass(TICK_MS);
        for worker in WORKERS {
            let was_dead = fleet.vm(worker).is_dead();
            match fleet.verdict(worker) {
                Verdict::Of(revision) => assert!(revisions.contains(&revision), "{revision}"),
                Verdict::NoVm => assert!(was_dead || fleet.vm(worker).is_dead()),
                Verdict::NoRules => panic!("worker {worker}: {}", fleet.log(worker)),
            }
        }
    }
}

#[test]
fn a_bundle_that_traps_two_vms_is_left_alone_and_the_one_before_it_decides() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let poison = Poison::default();
    let all = THREADS.map(|thread| fleet.number(thread));
    poison.put_into(&mut fleet, 2, &all);
    fleet.publish(2);
    assert!(fleet.vm(MAIN).is_dead(), "it had the stream");
    serve(&mut fleet, 15_000, &[1]);
    assert_eq!(poison.traps(), 2);
    assert_eq!(fleet.verdicts(), [Verdict::Of(1); 2]);
    let reported = fleet.pusher.borrow().vms();
    let refused = reported.iter().filter_map(|vm| match &vm.answer {
        VmAnswer::Nack(nack) => Some((nack.bundle.revision, &nack.reason[..], nack.permanent)),
        VmAnswer::Ack(_) | VmAnswer::Pending => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), [(2, "trapped", true)]);
    let offers = fleet.pusher.borrow().sent_bytes;
    serve(&mut fleet, 60_000, &[1]);
    assert_eq!(
        fleet.pusher.borrow().sent_bytes,
        offers,
        "it is not sent again"
    );
    fleet.publish(3);
    assert_eq!(fleet.verdicts(), [Verdict::Of(3); 2]);
}

#[test]
fn a_bundle_that_traps_only_workers_decides_where_it_loads() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let poison = Poison::default();
    let workers = WORKERS.map(|thread| fleet.number(thread));
    poison.put_into(&mut fleet, 2, &workers);
    fleet.publish(2);
    assert_eq!(fleet.revision(MAIN), 2, "it loaded where no request comes");
    assert_eq!(poison.traps(), 2);
    assert_eq!(fleet.verdicts(), [Verdict::NoVm; 2]);
    fleet.pass(2 * RELOAD_MS);
    // Both are loaded again, and two VMs have come to grief with it.
    assert_eq!(fleet.verdicts(), [Verdict::Of(1); 2]);
    serve(&mut fleet, 10_000, &[1]);
    assert_eq!(poison.traps(), 2);
    fleet.publish(3);
    assert_eq!(fleet.verdicts(), [Verdict::Of(3); 2]);
}

/// Also while it is not known yet that two VMs trapped: until then a VM that was loaded again has what was good before.
#[test]
fn a_proxy_with_traffic_has_rules_while_its_vms_trap() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let poison = Poison::default();
    let workers = WORKERS.map(|thread| fleet.number(thread));
    poison.put_into(&mut fleet, 2, &workers);
    fleet.pass(2 * RELOAD_MS);
    fleet.publish(2);
    serve(&mut fleet, 10_000, &[1]);
    assert_eq!(fleet.verdicts(), [Verdict::Of(1); 2]);
    // Each traps once more, where a request comes before anybody can know.
    assert!((2..=4).contains(&poison.traps()), "{}", poison.traps());
}

#[test]
fn one_trap_may_be_chance() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let poison = Poison::default();
    let number = fleet.number(WORKERS[0]);
    poison.put_into(&mut fleet, 2, &[number]);
    fleet.publish(2);
    assert_eq!(fleet.verdicts(), [Verdict::NoVm, Verdict::Of(2)]);
    fleet.server.process().on_call(|_| None);
    fleet.pass(RELOAD_MS);
    assert_eq!(fleet.verdicts(), [Verdict::Of(2); 2]);
    assert_eq!(poison.traps(), 1);
}

#[test]
fn a_vm_that_is_loaded_again_has_its_state_before_its_first_request_and_without_a_push_service() {
    let mut fleet = Fleet::new();
    fleet.publish(7);
    fleet.pusher.borrow_mut().leave();
    fleet.pass(RELOAD_MS);
    // All of them, the main thread's too, which is never loaded again.
    for round in 0..3 {
        for thread in THREADS {
            fleet.vm(thread).kill();
        }
        fleet.pass(2 * RELOAD_MS);
        assert_eq!(fleet.verdicts(), [Verdict::Of(7); 2], "round {round}");
    }
    assert!(fleet.vm(MAIN).is_dead());
    fleet.pusher.borrow_mut().is_away = false;
    fleet.publish(8);
    fleet.pass(40_000);
    assert_eq!(fleet.verdicts(), [Verdict::Of(8); 2]);
}
