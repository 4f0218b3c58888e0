//! One VM of an Envoy keeps the stream for all of them; when it hangs or traps, another one does.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use riskgate_e2e::{
    Connection, Envoy, Load, Neighbour, Pusher, Relay, Request, Response, Revisions, SharedState,
    Stage, VMS, client, revision_of, shelf_request, until, wasm_module,
};
use riskgate_push_protocol::{VmId, VmStatus};
use serde_json::Value;

use crate::{
    RULESET,
    load::streaming,
    traps::{connections, published, trap_workers, trapping, wait_for_recovery},
};

const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(1);

/// Longer than a VM that says nothing keeps the stream, and not so long that it is given up.
const HANG: Duration = Duration::from_millis(4_500);

/// Another ruleset in the same Envoy.
const CELLAR: &str = "cellar";

#[test]
fn one_vm_keeps_the_stream_of_its_envoy() {
    let stage = Stage::new().unwrap();
    let revisions = Revisions::new(RULESET, stage.keys()).unwrap();
    let pusher = stage.pusher().unwrap();
    let relay = Relay::start(pusher.addresses().subscribers).unwrap();
    let scenario = streaming(&stage, &pusher).set("PUSHER_PORT", relay.address().port());
    let envoy = stage.envoy(scenario).unwrap();
    for revision in 1..=5 {
        pusher
            .publish_bytes(&revisions.build(revision).unwrap())
            .unwrap();
        let vms = pusher.wait_for_acks(VMS, revision).unwrap();
        assert_eq!(holders(&vms).len(), 1, "{vms:?}");
    }
    assert_eq!(envoy.metric("stream.opened").unwrap(), 1);
    assert_eq!(envoy.metric("stream.closed").unwrap(), 0);
    let streams = envoy
        .admin()
        .stat("cluster.rule_pusher.upstream_rq_active")
        .unwrap();
    assert_eq!((streams, relay.connections()), (Some(1), 1));
}

#[test]
fn the_stream_moves_when_its_vm_hangs_or_traps() {
    let stage = Stage::new().unwrap();
    let (revisions, pusher) = published(&stage);
    let publish = |revision| {
        let bundle = revisions.build(revision).unwrap();
        pusher.publish_bytes(&bundle).unwrap();
    };
    let scenario = trapping(&stage, &pusher).set("ON_MISSING", "deny");
    let envoy = stage.envoy(Neighbour::beside(scenario).unwrap()).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let neighbour = Neighbour::of(&envoy).unwrap();
    let shared = SharedState::new(RULESET, stage.keys(), neighbour).unwrap();
    let load = Load::start(envoy.listener("direct").unwrap(), CLIENTS, PAUSE);
    load.set_floor(1);

    // Its stream stays open while it hangs, so for a while there are two.
    let hung = give_to_a_worker(&pusher, &shared);
    let opened = envoy.metric("stream.opened").unwrap();
    let hanging = hang_workers(&envoy);
    let holder = wait_for_other_holder(&pusher, hung);
    publish(2);
    let accepted = || {
        let vms = pusher.status()?.vms;
        let mut holders = vms.iter().filter(|vm| vm.vm == holder);
        Ok(holders.find(|vm| serves(vm, 2)).map(drop))
    };
    until("the VM that has the stream now to serve the next", accepted).unwrap();
    for worker in hanging {
        assert_eq!(worker.join().unwrap().status, 200);
    }
    let vms = pusher.wait_for_acks(VMS, 2).unwrap();
    assert_eq!(holders(&vms), [holder], "it has not gone back");
    assert_eq!(envoy.metric("stream.opened").unwrap(), opened + 1);
    let closed = envoy.wait_for_metric("stream.closed", opened).unwrap();
    assert_eq!(closed, opened, "the one of the VM that hung");
    load.set_floor(2);
    load.wait_for_answers(50).unwrap();

    let trapped = give_to_a_worker(&pusher, &shared);
    load.expect_traps(true);
    trap_workers(&envoy);
    wait_for_other_holder(&pusher, trapped);
    wait_for_recovery(&envoy);
    load.expect_traps(false);
    publish(3);
    let vms = pusher.wait_for_acks(VMS, 3).unwrap();
    assert_eq!(holders(&vms).len(), 1, "{vms:?}");
    load.set_floor(3);
    load.wait_for_answers(50).unwrap();
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}

/// As under Istio, where no `vm_id` can be set: two rulesets in one VM, and one of them in a VM of another module, too.
#[test]
fn filters_with_an_empty_vm_id_share_what_is_of_their_ruleset_and_nothing_else() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    let module = wasm_module("riskgate_trapping_filter").unwrap();
    let module = module.display().to_string();
    let scenario = streaming(&stage, &pusher).edit(move |text| two_rulesets(text, &module));
    let envoy = stage.envoy(scenario).unwrap();
    for step in 1..=3 {
        let (of_shop, of_cellar) = (step, 10 + step);
        for (ruleset, revision) in [(RULESET, of_shop), (CELLAR, of_cellar)] {
            let revisions = Revisions::new(ruleset, stage.keys()).unwrap();
            pusher
                .publish_bytes(&revisions.build(revision).unwrap())
                .unwrap();
        }
        wait_for_ruleset(&pusher, RULESET, 2 * VMS, of_shop);
        wait_for_ruleset(&pusher, CELLAR, VMS, of_cellar);
        let tls = stage.certificates().anonymous().unwrap();
        for number in 0..8 {
            let request = shelf_request(number);
            let direct = envoy.send(&request).unwrap();
            let behind_balancer = envoy.send_from(client(), &request).unwrap();
            let over_tls = envoy.send_tls_from(client(), &tls, &request).unwrap();
            let revision = |answer: Response| revision_of(number, &answer).unwrap();
            assert_eq!(revision(direct), of_shop);
            assert_eq!(revision(behind_balancer), of_cellar);
            assert_eq!(revision(over_tls), of_shop);
        }
    }
    assert_eq!(envoy.metric("stream.opened").unwrap(), 2);
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
}

fn holders(vms: &[VmStatus]) -> Vec<VmId> {
    let holders = vms.iter().filter(|vm| vm.holds_stream);
    holders.map(|vm| vm.vm).collect()
}

fn serves(vm: &VmStatus, revision: u64) -> bool {
    vm.held.is_some_and(|held| held.revision == revision)
}

/// Names a worker's VM that keeps the stream. If none does, the neighbour writes one into the lease, as neighbours can.
fn give_to_a_worker(pusher: &Pusher, shared: &SharedState) -> VmId {
    until("a worker to keep the stream", || {
        let vms = pusher.status()?.vms;
        let worker = vms.iter().find(|vm| vm.serves_requests);
        let holder = vms.iter().find(|vm| vm.holds_stream);
        let (Some(worker), Some(holder)) = (worker, holder) else {
            return Ok(None);
        };
        if holder.serves_requests {
            return Ok(Some(holder.vm));
        }
        shared.pass_lease(&holder.vm.0, &worker.vm.0)?;
        Ok(None)
    })
    .unwrap()
}

fn wait_for_other_holder(pusher: &Pusher, before: VmId) -> VmId {
    until("another VM to keep the stream", || {
        let holders = holders(&pusher.status()?.vms);
        let other = holders.iter().find(|holder| **holder != before).copied();
        Ok(other.filter(|_| holders.len() == 1))
    })
    .unwrap()
}

/// All workers hang until the same moment. Gives who waits for their answers.
fn hang_workers(envoy: &Envoy) -> Vec<thread::JoinHandle<Response>> {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + HANG;
    let request = Request::get("/").header("x-hang-until", end.as_millis().to_string());
    let send = |mut connection: Connection| {
        let request = request.clone();
        thread::spawn(move || connection.send(&request).unwrap())
    };
    connections(envoy).into_iter().map(send).collect()
}

fn wait_for_ruleset(pusher: &Pusher, ruleset: &str, vms: usize, revision: u64) {
    until(&format!("{ruleset} {revision} in {vms} VMs"), || {
        let all = pusher.status()?.vms;
        let of_ruleset: Vec<VmStatus> =
            all.into_iter().filter(|vm| vm.ruleset == ruleset).collect();
        let all_serve = of_ruleset.iter().all(|vm| serves(vm, revision));
        let is_well = of_ruleset.len() == vms && all_serve && holders(&of_ruleset).len() == 1;
        Ok(is_well.then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error:#}: {:#?}", pusher.status()));
}

/// The second listener has another ruleset, and the third one another module.
fn two_rulesets(bootstrap: &str, module: &str) -> String {
    let mut bootstrap: Value = serde_saphyr::from_str(bootstrap).unwrap();
    let listeners = bootstrap["static_resources"]["listeners"]
        .as_array_mut()
        .unwrap();
    for (place, listener) in listeners.iter_mut().enumerate() {
        let filter =
            &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0];
        let config = &mut filter["typed_config"]["config"];
        config["vm_config"]["vm_id"] = "".into();
        match place {
            1 => {
                let text = config["configuration"]["value"].as_str().unwrap();
                let (shop, cellar) = (format!("\"{RULESET}\""), format!("\"{CELLAR}\""));
                config["configuration"]["value"] = text.replace(&shop, &cellar).into();
            }
            2 => config["vm_config"]["code"]["local"]["filename"] = module.into(),
            _ => {}
        }
    }
    bootstrap.to_string()
}
