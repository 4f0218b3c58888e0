//! Random histories of the VMs of a proxy: at most one holds the lease, and what neighbours write heals.

use crate::peers::{NS_PER_MS, Vm, all_turn, pass, vms};
use proptest::prelude::*;
use riskgate_filter_sdk::peers::{LEASE_NS, Role, SLOTS_MAX, STALE_NS};
use riskgate_push_protocol::VmId;
use std::collections::HashSet;

#[derive(Debug, Clone)]
enum Act {
    Tick {
        vm: usize,
    },
    /// Milliseconds.
    Pass(u64),
    Replace {
        vm: usize,
    },
    Leave {
        vm: usize,
    },
}

fn act(vms: usize) -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..vms).prop_map(|vm| Act::Tick { vm }),
        4 => (1..1_500_u64).prop_map(Act::Pass),
        1 => (3_000..9_000_u64).prop_map(Act::Pass),
        1 => (0..vms).prop_map(|vm| Act::Replace { vm }),
        1 => (0..vms).prop_map(|vm| Act::Leave { vm }),
    ]
}

#[derive(Debug, Clone)]
struct Forgery {
    key: prop::sample::Index,
    bytes: Vec<u8>,
    keep: prop::sample::Index,
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let bytes = prop::collection::vec(any::<u8>(), 0..64);
    (
        any::<prop::sample::Index>(),
        bytes,
        any::<prop::sample::Index>(),
    )
        .prop_map(|(key, bytes, keep)| Forgery { key, bytes, keep })
}

/// Everything that VMs can do, in any order: at no time do two of them hold what neither has let run out, and no epoch comes
/// twice.
fn check_holders(acts: Vec<Act>) {
    let (shared, mut vms) = vms(4);
    // Until when each holds the lease, as it knows: it was renewed no longer ago than a second.
    let mut held_until_ns = vec![0; vms.len()];
    let mut last_epoch = (usize::MAX, 0);
    let mut next = 100;
    for act in acts {
        match act {
            Act::Pass(ms) => shared.advance(ms),
            Act::Tick { vm } => {
                let now_ns = shared.monotonic_ns.get();
                held_until_ns[vm] = 0;
                if let Role::Holder { epoch } = vms[vm].turn().role {
                    held_until_ns[vm] = now_ns + LEASE_NS - 1_000 * NS_PER_MS;
                    let (holder, last) = last_epoch;
                    assert!(
                        epoch > last || (epoch, vm) == (last, holder),
                        "{epoch} after {last}"
                    );
                    last_epoch = (vm, epoch);
                }
            }
            Act::Replace { vm } => {
                // It ended without a word.
                vms[vm] = Vm::new(&shared, next);
                held_until_ns[vm] = 0;
                next += 1;
            }
            Act::Leave { vm } => {
                vms[vm].peers.borrow_mut().leave(&*vms[vm].proxy);
                held_until_ns[vm] = 0;
            }
        }
        shared.advance(1);
        let now_ns = shared.monotonic_ns.get();
        let holders = held_until_ns.iter().filter(|until_ns| now_ns < **until_ns);
        assert!(holders.count() <= 1, "{held_until_ns:?} at {now_ns}");
    }
    assert!(shared.values.borrow().len() <= 1 + usize::from(SLOTS_MAX));
}

/// Whatever a neighbour wrote anywhere, the VMs find each other again.
fn check_recovery(forgeries: Vec<Forgery>) {
    let (shared, vms) = vms(3);
    pass(&shared, &vms, 1_000);
    for Forgery { key, bytes, keep } in forgeries {
        let (key, held) = {
            let values = shared.values.borrow();
            let all: Vec<_> = values.iter().collect();
            let (key, (held, _)) = key.get(&all);
            ((*key).clone(), held.clone())
        };
        let kept = held.get(..keep.index(held.len() + 1)).unwrap();
        shared.set(&key, &[kept, &bytes].concat());
        all_turn(&vms);
        shared.advance(50);
    }
    let holders = pass(&shared, &vms, (STALE_NS + LEASE_NS) / NS_PER_MS);
    assert_eq!(holders.len(), 1);
    let slots: HashSet<_> = vms.iter().map(|vm| vm.slot().unwrap()).collect();
    assert_eq!(slots.len(), vms.len());
    let known: HashSet<VmId> = vms[holders[0]]
        .others()
        .iter()
        .map(|other| other.vm)
        .collect();
    let own = vms[holders[0]].report.borrow().vm;
    let all = vms.iter().map(|vm| vm.report.borrow().vm);
    assert!(all.filter(|vm| *vm != own).all(|vm| known.contains(&vm)));
}

proptest! {
    #[test]
    fn no_two_hold_the_lease(acts in prop::collection::vec(act(4), 1..200)) {
        check_holders(acts);
    }

    #[test]
    fn forgeries_heal(forgeries in prop::collection::vec(forgery(), 1..40)) {
        check_recovery(forgeries);
    }
}
