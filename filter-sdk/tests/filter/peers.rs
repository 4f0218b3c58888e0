//! The VMs of a proxy among themselves: slots, the lease, and what neighbours do to them.

use crate::proxy::{Before, Proxy, SharedData};
use riskgate_filter_sdk::config::Config;
use riskgate_filter_sdk::namespace::Namespace;
use riskgate_filter_sdk::peers::{LEASE_NS, Peers, Role, SLOTS_MAX, STALE_NS, Told, Turn};
use riskgate_push_protocol::{BundleId, Digest, Nack, VmAnswer, VmId, VmReport};
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

const TICK_MS: u64 = 100;
pub(crate) const NS_PER_MS: u64 = 1_000_000;

/// A VM of a process.
pub(crate) struct Vm {
    pub(crate) proxy: Rc<Proxy>,
    pub(crate) peers: RefCell<Peers>,
    pub(crate) report: RefCell<VmReport>,
}

fn namespace(ruleset: &str) -> Namespace {
    let key = crate::bundles::public_key(1);
    let json = format!(
        r#"{{"ruleset":"{ruleset}","trust":{{"keys":["{key}"]}},"push":{{"cluster":"p"}}}}"#
    );
    Namespace::of(&Config::parse(json.as_bytes()).unwrap())
}

impl Vm {
    /// The VM of that number, whose root context has that number, too.
    pub(crate) fn new(shared: &Rc<SharedData>, number: u32) -> Rc<Vm> {
        Vm::of(&namespace("shop"), shared, number)
    }

    fn of(namespace: &Namespace, shared: &Rc<SharedData>, number: u32) -> Rc<Vm> {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_le_bytes());
        let proxy = Proxy {
            shared_data: Rc::clone(shared),
            ..Proxy::default()
        };
        proxy.context.set(number);
        Rc::new(Vm {
            proxy: Rc::new(proxy),
            peers: RefCell::new(Peers::new(namespace.clone(), nonce)),
            report: RefCell::new(VmReport {
                vm: VmId(nonce),
                serves_requests: false,
                held: None,
                answer: VmAnswer::Pending,
            }),
        })
    }

    pub(crate) fn turn(&self) -> Turn {
        let report = self.report.borrow().clone();
        self.peers.borrow_mut().turn(&*self.proxy, &report)
    }

    fn is_holder(&self) -> bool {
        matches!(self.turn().role, Role::Holder { .. })
    }

    pub(crate) fn slot(&self) -> Option<u8> {
        self.peers.borrow_mut().slots().own()
    }

    pub(crate) fn others(&self) -> Vec<VmReport> {
        self.peers.borrow_mut().others(&*self.proxy)
    }

    fn fails(&self, method: &'static str) {
        self.proxy.broken.borrow_mut().insert(method);
    }
}

pub(crate) fn vms(count: u32) -> (Rc<SharedData>, Vec<Rc<Vm>>) {
    let shared = Rc::new(SharedData::default());
    shared.advance(10_000);
    let vms = (0..count).map(|number| Vm::new(&shared, number));
    let vms: Vec<Rc<Vm>> = vms.collect();
    (shared, vms)
}

pub(crate) fn all_turn(vms: &[Rc<Vm>]) {
    for vm in vms {
        vm.turn();
    }
}

/// Everybody's tick, so often that so much time passes. The holders at the end.
pub(crate) fn pass(shared: &SharedData, vms: &[Rc<Vm>], ms: u64) -> Vec<usize> {
    let mut holders = Vec::new();
    for _ in 0..=ms / TICK_MS {
        shared.advance(TICK_MS);
        let numbered = vms.iter().enumerate();
        let held = numbered.filter(|(_, vm)| vm.is_holder());
        holders = held.map(|(number, _)| number).collect();
    }
    holders
}

fn epoch(turn: Turn) -> u64 {
    turn.role.epoch().unwrap()
}

#[test]
fn one_of_them_keeps_the_stream_and_knows_of_all() {
    let (shared, vms) = vms(5);
    assert_eq!(pass(&shared, &vms, 60_000), [0]);
    let report = VmReport {
        serves_requests: true,
        ..vms[3].report.borrow().clone()
    };
    vms[3].report.replace(report.clone());
    let turn = vms[3].turn();
    assert_eq!(
        (turn.told, turn.role),
        (Told::Now, Role::Follower { holder: Some(0) })
    );
    let others = vms[0].others();
    assert_eq!(others.len(), 4);
    assert!(others.contains(&report));
}

#[test]
fn the_lease_moves_from_a_vm_that_is_silent_by_its_deadline_and_the_epoch_rises() {
    let (shared, vms) = vms(3);
    let first = epoch(vms[0].turn());
    pass(&shared, &vms, 5_000);
    // It trapped, or hangs: its slot says that it lives, until that is stale.
    let silent_since_ns = shared.monotonic_ns.get();
    let mut taken_after_ns = None;
    while shared.monotonic_ns.get() < silent_since_ns + STALE_NS + LEASE_NS {
        shared.advance(TICK_MS);
        let held: Vec<Turn> = vms[1..].iter().map(|vm| vm.turn()).collect();
        let epochs: Vec<u64> = held.iter().filter_map(|turn| turn.role.epoch()).collect();
        assert!(epochs.len() <= 1);
        if let [epoch] = epochs[..] {
            assert!(epoch > first);
            let after_ns = shared.monotonic_ns.get() - silent_since_ns;
            taken_after_ns = taken_after_ns.or(Some(after_ns));
        }
    }
    let taken_after_ns = taken_after_ns.unwrap();
    assert!(
        taken_after_ns <= LEASE_NS + TICK_MS * NS_PER_MS,
        "{taken_after_ns}"
    );
    assert_eq!(
        vms[1].others().len(),
        1,
        "the silent one is not listed any more"
    );
    // It wakes up, and finds what it held lost.
    assert_eq!(vms[0].turn().role, Role::Follower { holder: Some(1) });
    assert_eq!(vms[1].others().len(), 2, "and is there again");
}

#[test]
fn who_leaves_lets_others_have_lease_and_slot_at_once() {
    let (shared, vms) = vms(2);
    pass(&shared, &vms, 1_000);
    vms[0].peers.borrow_mut().leave(&*vms[0].proxy);
    assert!(vms[1].is_holder());
    assert_eq!(vms[1].others(), []);
    let heir = Vm::new(&shared, 7);
    heir.turn();
    assert_eq!(heir.slot(), Some(0));
    // A second word of farewell takes nothing from the heir.
    vms[0].peers.borrow_mut().leave(&*vms[0].proxy);
    assert_eq!(vms[1].others().len(), 1);
    assert!(vms[1].is_holder());
}

#[test]
fn slots_are_bounded_reclaimed_and_not_missed() {
    let (shared, vms) = vms(u32::from(SLOTS_MAX));
    pass(&shared, &vms, 1_000);
    let slots: HashSet<_> = vms.iter().map(|vm| vm.slot()).collect();
    assert_eq!(slots.len(), usize::from(SLOTS_MAX));
    let late = Vm::new(&shared, 999);
    assert_eq!(late.turn().told, Told::Full);
    assert_eq!(
        (late.slot(), late.others().len()),
        (None, usize::from(SLOTS_MAX))
    );
    // Workers come and go for hours: neither keys nor queues become more.
    let count = |shared: &SharedData| (shared.values.borrow().len(), shared.queues.borrow().len());
    let before = count(&shared);
    let mut vms = vms;
    for number in 0..500 {
        let place = (number * 7) % vms.len();
        vms[place] = Vm::new(&shared, 1_000 + number as u32);
        shared.advance(STALE_NS / NS_PER_MS / 4);
        all_turn(&vms);
    }
    assert_eq!(count(&shared), before);
    vms.pop();
    vms.push(late);
    assert_eq!(pass(&shared, &vms, 10_000).len(), 1);
    assert!(
        vms.iter().all(|vm| vm.slot().is_some()),
        "the late one, too"
    );
}

#[test]
fn a_message_wakes_who_lives_and_nobody_else() {
    let (shared, vms) = vms(3);
    all_turn(&vms);
    let peers = |number: usize| vms[number].peers.borrow_mut();
    peers(0).wake_others(&*vms[0].proxy);
    let woken: Vec<u32> = shared
        .wake_ups
        .take()
        .iter()
        .map(|(context, _)| *context)
        .collect();
    assert_eq!(woken, [1, 2]);
    peers(1).slots().drain(&*vms[1].proxy);
    let waiting = |shared: &SharedData| -> Vec<usize> {
        let queues = shared.queues.borrow();
        queues.iter().map(|queue| queue.messages.len()).collect()
    };
    assert_eq!(waiting(&shared), [0, 0, 1]);
    // The last one hangs from now on.
    for _ in 0..1_000 {
        shared.advance(TICK_MS);
        all_turn(&vms[..2]);
        peers(0).wake_others(&*vms[0].proxy);
        peers(1).slots().drain(&*vms[1].proxy);
    }
    let bound = 1 + (STALE_NS / NS_PER_MS / TICK_MS) as usize;
    assert_eq!(waiting(&shared)[..2], [0, 0]);
    assert!(waiting(&shared)[2] <= bound, "{:?}", waiting(&shared));
    // Who gets the slot finds the queue emptied.
    shared.wake_ups.take();
    let heir = Vm::new(&shared, 9);
    heir.turn();
    assert_eq!(heir.slot(), Some(2));
    heir.peers.borrow_mut().slots().drain(&*heir.proxy);
    peers(0).wake_others(&*vms[0].proxy);
    assert!(shared.wake_ups.borrow().contains(&(9, 3)));
}

#[test]
fn a_neighbour_keeps_the_queue_he_took_no_longer_than_a_second() {
    let (shared, vms) = vms(2);
    pass(&shared, &vms, 1_000);
    shared.queues.borrow_mut()[1].context = 66;
    pass(&shared, &vms, 1_000);
    vms[0].peers.borrow_mut().wake_others(&*vms[0].proxy);
    assert!(shared.wake_ups.borrow().contains(&(1, 2)));
}

#[test]
fn of_two_at_the_same_moment_one_gets_it() {
    for method in ["create_shared_data", "replace_shared_data"] {
        for calls_left in 0..3 {
            let (shared, vms) = vms(3);
            if method == "replace_shared_data" {
                // What stands there is nobody's.
                vms[2].turn();
                vms[2].peers.borrow_mut().leave(&*vms[2].proxy);
            }
            let faster = Rc::clone(&vms[1]);
            *vms[0].proxy.before.borrow_mut() = Some(Before {
                method,
                calls_left,
                happens: Box::new(move || all_turn(&[faster])),
            });
            vms[0].turn();
            let held = [&vms[0], &vms[1]].map(|vm| vm.is_holder());
            assert_eq!(
                held.iter().filter(|held| **held).count(),
                1,
                "{method} {calls_left}"
            );
            assert_ne!(vms[0].slot(), vms[1].slot(), "{method} {calls_left}");
            assert_eq!(pass(&shared, &vms[..2], 5_000).len(), 1);
        }
    }
}

#[test]
fn namespaces_do_not_meet() {
    let shared = Rc::new(SharedData::default());
    shared.advance(1);
    let vms = ["shop", "shop", "payments"].iter().zip(0..);
    let vms: Vec<_> = vms
        .map(|(ruleset, number)| Vm::of(&namespace(ruleset), &shared, number))
        .collect();
    assert_eq!(pass(&shared, &vms, 5_000), [0, 2]);
    assert_eq!(vms[2].others(), []);
    assert_eq!(vms[2].slot(), Some(0));
}

#[test]
fn without_shared_data_or_a_clock_a_vm_helps_itself() {
    for method in ["monotonic_ns", "shared_data_version", "create_shared_data"] {
        let (shared, vms) = vms(1);
        vms[0].fails(method);
        pass(&shared, &vms, LEASE_NS / NS_PER_MS);
        assert_eq!(vms[0].turn().role, Role::Alone, "{method}");
        vms[0].proxy.broken.borrow_mut().clear();
        assert!(vms[0].is_holder(), "{method}");
    }
}

#[test]
fn shared_data_that_fails_for_a_moment_moves_nothing() {
    let (shared, vms) = vms(2);
    pass(&shared, &vms, 2_000);
    for vm in &vms {
        vm.fails("shared_data_version");
    }
    let roles = |vms: &[Rc<Vm>]| -> Vec<Role> { vms.iter().map(|vm| vm.turn().role).collect() };
    let epoch = vms[0].turn().role;
    shared.advance(1_000);
    assert_eq!(roles(&vms), [epoch, Role::Follower { holder: None }]);
    for vm in &vms {
        vm.proxy.broken.borrow_mut().clear();
    }
    assert_eq!(roles(&vms), [epoch, Role::Follower { holder: Some(0) }]);
}

#[test]
fn without_queues_there_are_ticks() {
    let (shared, vms) = vms(2);
    for vm in &vms {
        vm.fails("register_queue");
        vm.fails("enqueue");
    }
    assert_eq!(pass(&shared, &vms, 5_000), [0]);
    assert!(!vms[1].peers.borrow_mut().slots().wake_self(&*vms[1].proxy));
    vms[0].peers.borrow_mut().wake_others(&*vms[0].proxy);
}

/// A lease as its holder writes it.
fn lease(nonce: [u8; 16], epoch: u64, deadline_ns: u64) -> Vec<u8> {
    let numbers = [epoch.to_le_bytes(), deadline_ns.to_le_bytes()].concat();
    [&nonce[..], &[7], &numbers].concat()
}

#[test]
fn a_forged_lease_locks_nobody_out() {
    let key = namespace("shop").key("lease");
    for epoch_forged in [0, u64::MAX] {
        for ahead_ns in [1, LEASE_NS, u64::MAX / 2] {
            for forger in [[9; 16], [0; 16]] {
                let (shared, vms) = vms(2);
                pass(&shared, &vms, 2_000);
                let now_ns = shared.monotonic_ns.get();
                shared.set(&key, &lease(forger, epoch_forged, now_ns + ahead_ns));
                let before = now_ns;
                assert_eq!(pass(&shared, &vms, LEASE_NS / NS_PER_MS).len(), 1);
                let holders: Vec<u64> =
                    vms.iter().filter_map(|vm| vm.turn().role.epoch()).collect();
                assert!(holders.len() == 1 && holders[0] < before + 2 * LEASE_NS);
            }
        }
    }
}

#[test]
fn slots_of_vms_that_are_none_are_taken_at_once() {
    let (shared, vms) = vms(2);
    let now_ns = shared.monotonic_ns.get();
    let silent_since_ns = now_ns - STALE_NS - 1;
    for heartbeat_ns in [0, silent_since_ns, now_ns + STALE_NS, u64::MAX] {
        for slot in 0..SLOTS_MAX {
            let other = Vm::new(&shared, 500 + u32::from(slot));
            let report = other.report.borrow().encode_to_vec();
            let name = other.report.borrow().vm.0;
            let record = [&heartbeat_ns.to_le_bytes()[..], &name, &report].concat();
            let key = namespace("shop").key(format_args!("slot/{slot}"));
            shared.set(&key, &record);
        }
        assert_eq!(vms[0].others(), [], "{heartbeat_ns}");
        let fresh = Vm::new(&shared, 900);
        assert_eq!(fresh.turn().told, Told::Now, "{heartbeat_ns}");
    }
}

#[test]
fn texts_of_any_length_are_cut_and_told() {
    let (_, vms) = vms(2);
    let bundle = BundleId {
        revision: 3,
        digest: Digest([7; 32]),
    };
    let nack = Nack {
        bundle,
        reason: "bad-section".to_owned(),
        detail: "ü".repeat(4_000),
        permanent: true,
    };
    vms[1].report.borrow_mut().answer = VmAnswer::Nack(nack);
    assert_eq!(vms[1].turn().told, Told::Now);
    assert_eq!(vms[1].turn().told, Told::Before);
    let others = vms[0].others();
    let VmAnswer::Nack(told) = &others[0].answer else {
        panic!("{others:?}");
    };
    assert_eq!((&told.reason[..], told.detail.len()), ("bad-section", 512));
}
