//! Several filters in one VM, and all of them without a `vm_id`, as Istio has them.

use crate::bundles::{bundle, make};
use crate::filter::configuration_with;
use crate::fleet::{Fleet, PUSH, THREADS, Verdict, WORKERS, plugin};
use riskgate_wasm_host::PluginId;

/// The configuration of a filter with another ruleset.
fn payments() -> String {
    let shop = String::from_utf8(configuration_with(PUSH)).unwrap();
    shop.replace("shop", "payments")
}

/// Another filter of the same module.
fn another(fleet: &mut Fleet, configuration: &[u8]) -> PluginId {
    let mut other = plugin(PUSH);
    other.configuration = configuration.to_vec();
    fleet.server.install(other).unwrap()
}

/// What decides in another filter.
fn verdicts_of(fleet: &mut Fleet, plugin: PluginId) -> [Verdict; 2] {
    let own = std::mem::replace(&mut fleet.plugin, plugin);
    let verdicts = fleet.verdicts();
    fleet.plugin = own;
    verdicts
}

#[test]
fn filters_of_one_vm_with_two_rulesets_keep_them_apart() {
    let mut fleet = Fleet::new();
    let payments = another(&mut fleet, payments().as_bytes());
    for thread in THREADS {
        let own = fleet.number(thread);
        assert_eq!(fleet.server.vm_number(payments, thread), Some(own));
    }
    fleet.pass(1_000);
    assert_eq!(fleet.open().len(), 2, "a stream for each ruleset");
    fleet.publish(5);
    assert_eq!(fleet.verdicts(), [Verdict::Of(5); 2]);
    assert_eq!(verdicts_of(&mut fleet, payments), [Verdict::NoRules; 2]);
    for revision in [3, 4] {
        fleet.publish_bytes(make("payments", revision, 0));
        assert_eq!(fleet.verdicts(), [Verdict::Of(5); 2]);
        assert_eq!(
            verdicts_of(&mut fleet, payments),
            [Verdict::Of(revision); 2]
        );
    }
    // A trap ends both, and both come back.
    fleet.pusher.borrow_mut().leave();
    fleet.vm(WORKERS[0]).kill();
    fleet.pass(3_000);
    assert_eq!(verdicts_of(&mut fleet, payments), [Verdict::Of(4); 2]);
    assert_eq!(fleet.verdicts(), [Verdict::Of(5); 2]);
}

#[test]
fn filters_of_one_vm_with_the_same_ruleset_share_it() {
    let mut fleet = Fleet::new();
    let more = format!(r#"{PUSH},"jwt_payload_key":"other""#);
    let other = another(&mut fleet, &configuration_with(&more));
    fleet.pass(1_000);
    assert_eq!(fleet.open().len(), 1);
    for revision in 1..=3 {
        fleet.publish(revision);
        assert_eq!(fleet.verdicts(), [Verdict::Of(revision); 2]);
        assert_eq!(verdicts_of(&mut fleet, other), [Verdict::Of(revision); 2]);
        assert!(
            fleet.all_acknowledged(THREADS.len(), revision),
            "one name a VM"
        );
    }
    fleet
        .server
        .reconfigure(other, payments().as_bytes())
        .unwrap();
    fleet.pass(1_000);
    fleet.publish(4);
    assert_eq!(fleet.verdicts(), [Verdict::Of(4); 2]);
    assert_eq!(verdicts_of(&mut fleet, other), [Verdict::NoRules; 2]);
}

/// Other code: the VMs are others, and shared data and queues are the same.
#[test]
fn vms_of_other_code_with_the_same_vm_id_are_told_apart() {
    let mut fleet = Fleet::new();
    let mut other = plugin(PUSH);
    other.vm_configuration = b"makes VMs of their own".to_vec();
    let other = fleet.server.install(other).unwrap();
    for thread in THREADS {
        assert_ne!(
            fleet.server.vm_number(other, thread),
            Some(fleet.number(thread))
        );
    }
    fleet.pass(1_000);
    assert_eq!(fleet.open().len(), 1, "they are of one proxy");
    for revision in 1..=3 {
        fleet.publish(revision);
        assert_eq!(fleet.verdicts(), [Verdict::Of(revision); 2]);
        assert_eq!(verdicts_of(&mut fleet, other), [Verdict::Of(revision); 2]);
        assert!(fleet.all_acknowledged(2 * THREADS.len(), revision));
    }
    let ids: Vec<_> = fleet.pusher.borrow().vms().iter().map(|vm| vm.vm).collect();
    assert_eq!(
        ids.iter().collect::<std::collections::BTreeSet<_>>().len(),
        ids.len()
    );
}

/// A neighbour registers every queue as its own, takes what is in them, and writes over every key.
#[test]
fn a_neighbour_that_forges_takes_and_erases_delays_and_does_not_decide() {
    let mut fleet = Fleet::new();
    fleet.publish(1);
    let shared_data = fleet.server.process().shared_data();
    for revision in 2..=6_u64 {
        for (place, key) in shared_data.keys().iter().enumerate() {
            let (held, _) = shared_data.get(key).unwrap();
            match (place as u64 + revision) % 5 {
                0 => shared_data.remove(key),
                1 => shared_data.set(key, &[]),
                2 => shared_data.set(key, &bundle(99)[..200]),
                3 => shared_data.set(key, &held[..held.len() / 2]),
                _ => {}
            }
        }
        let queues = fleet.server.process().shared_queues().clone();
        for token in queues.tokens() {
            while queues.dequeue(token).is_ok() {}
            for _ in 0..2_000 {
                queues.enqueue(token, &[0; 1_000]).unwrap();
            }
        }
        assert_eq!(fleet.verdicts(), [Verdict::Of(revision - 1); 2]);
        fleet.publish(revision);
        let mut seconds = 0;
        while !fleet.all_acknowledged(THREADS.len(), revision) {
            fleet.pass(1_000);
            for verdict in fleet.verdicts() {
                let decides = [revision - 1, revision].map(Verdict::Of);
                assert!(decides.contains(&verdict), "{verdict:?}");
            }
            seconds += 1;
            assert!(seconds < 60, "{:?}", fleet.pusher.borrow().vms());
        }
        assert_eq!(fleet.verdicts(), [Verdict::Of(revision); 2]);
    }
    let queues = fleet.server.process().shared_queues().clone();
    let waiting: usize = queues.tokens().iter().map(|token| queues.len(*token)).sum();
    assert!(waiting < 100, "{waiting}");
}
