//! VMs that trap: Envoy makes them anew, and they have their rules back from what the others share.

use std::{thread, time::Duration};

use anyhow::{Error, Result};
use riskgate_e2e::{
    Build, Connection, Envoy, Load, Pusher, Request, Revisions, Scenario, SharedState, Stage, VMS,
    WORKERS, revision_of, shelf_request, until, wasm_module,
};
use riskgate_engine::bundle::Bundle;
use riskgate_push_protocol::{LastAnswer, VmStatus};

use crate::{RULESET, load::streaming};

const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(1);

/// Connections enough that every worker has some: the kernel spreads them evenly.
const CONNECTIONS: u64 = 32;

/// A load that began so long ago may have ended in a trap.
const SUSPICIOUS: Duration = Duration::from_millis(250);

/// A list that the trapping filter has no memory for.
const TOO_MANY: usize = 500_000;

const COUNTERS: &str = r#"
counters:
  taps: { key: ['request.headers["x-device"]'], count_when: request.method == "POST", window: 1h }
"#;

const COUNTING: &str = r#"
rules:
  - { id: busy, when: counters.taps > 2, then: { deny: { status: 429 } } }
  - { id: trap, when: has(trap.armed), then: { score: 1 } }
"#;

#[test]
fn a_worker_that_traps_has_its_rules_back_without_the_push_service() {
    let stage = Stage::new().unwrap();
    let (revisions, pusher) = published(&stage);
    // A request that finds no rules is refused, with a body.
    let scenario = trapping(&stage, &pusher).set("ON_MISSING", "deny");
    let envoy = stage.envoy(scenario).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let killed = pusher.kill();

    let load = Load::start(envoy.listener("direct").unwrap(), CLIENTS, PAUSE);
    load.set_floor(1);
    load.expect_traps(true);
    trap_workers(&envoy);
    wait_for_recovery(&envoy);
    load.expect_traps(false);
    load.wait_for_answers(50).unwrap();

    // Seats of VMs that are gone are given to others.
    let pusher = killed.start().unwrap();
    pusher.publish_bytes(&revisions.build(2).unwrap()).unwrap();
    pusher.wait_for_acks(VMS, 2).unwrap();
    load.set_floor(2);
    load.wait_for_answers(50).unwrap();
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
    let made_anew = envoy.admin().stat("wasm.riskgate.vm_reload_success");
    assert!(made_anew.unwrap() >= Some(WORKERS as u64));
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}

/// What VMs that trapped while they loaded it have left is a note each: the next one leaves the bundle alone.
#[test]
fn a_bundle_that_two_vms_trapped_over_is_skipped_and_service_goes_on() {
    let stage = Stage::new().unwrap();
    let (revisions, pusher) = published(&stage);
    let scenario = trapping(&stage, &pusher).set("ON_MISSING", "deny");
    let envoy = stage.envoy(scenario).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let load = Load::start(envoy.listener("direct").unwrap(), CLIENTS, PAUSE);
    load.set_floor(1);

    let fatal = revisions.build(2).unwrap();
    load.expect_traps(true);
    for _ in 0..2 {
        trap_while_loading(&stage, &envoy, &fatal);
        wait_for_recovery(&envoy);
    }
    load.expect_traps(false);
    thread::sleep(SUSPICIOUS);
    pusher.publish_bytes(&fatal).unwrap();
    let skipped = || {
        let vms = pusher.status()?.vms;
        let nacked = |vm: &VmStatus| match &vm.answer {
            LastAnswer::Nack {
                revision, reason, ..
            } => *revision == 2 && reason == "trapped",
            LastAnswer::Ack { .. } | LastAnswer::Pending => false,
        };
        Ok(vms.iter().any(nacked).then_some(()))
    };
    until("the bundle to be skipped", skipped).unwrap();
    load.wait_for_answers(50).unwrap();
    assert_eq!(envoy.metric("loads.refused").unwrap(), 1, "once, for good");

    pusher.publish_bytes(&revisions.build(3).unwrap()).unwrap();
    pusher.wait_for_acks(VMS, 3).unwrap();
    load.set_floor(3);
    load.wait_for_answers(50).unwrap();
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
    assert!(
        !tally.by_revision.contains_key(&2),
        "{:?}",
        tally.by_revision
    );
}

/// What was counted is shared, so a VM that comes anew knows it.
#[test]
fn counts_outlive_a_vm_that_traps() {
    let stage = Stage::new().unwrap();
    let attributes = stage.folder().join("attributes.yaml");
    std::fs::write(
        &attributes,
        "attributes:\n  - { name: trap.armed, type: bool }\n",
    )
    .unwrap();
    let folder = stage.write_ruleset_with(RULESET, COUNTERS, COUNTING);
    let build = Build {
        ruleset: &folder.unwrap(),
        attributes: Some(&attributes),
        revision: 1,
        keys: stage.keys(),
        issued_at: None,
    };
    let bundle = build.run(stage.folder().join("counting.bundle")).unwrap();
    let module = wasm_module("riskgate_trapping_filter").unwrap();
    let scenario = stage.scenario("static", RULESET).unwrap();
    let scenario = scenario.set("WASM", module.display());
    let envoy = stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap();

    let device = |request: Request| request.header("x-device", "d1");
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let mut tap = || {
        let answer = connection.send(&device(Request::post("/", "tap")));
        answer.unwrap().status
    };
    assert_eq!([tap(), tap(), tap()], [200, 200, 429]);
    let known = || {
        let busy = || Ok::<_, Error>(envoy.send(&device(Request::get("/")))?.status == 429);
        let looks: Result<Vec<bool>, Error> = (0..CONNECTIONS).map(|_| busy()).collect();
        Ok(looks?.into_iter().all(|is_busy| is_busy).then_some(()))
    };
    until("every worker to know the count", known).unwrap();
    trap_workers(&envoy);
    until("every worker to know the count again", known).unwrap();
    let other = Request::get("/").header("x-device", "d2");
    assert_eq!(envoy.send(&other).unwrap().status, 200);
}

/// Whether a VM traps over it or says that it has no memory: the rules before serve, and the rules after it do.
#[test]
fn a_ruleset_that_no_vm_has_memory_for_ends_no_service() {
    let stage = Stage::new().unwrap();
    let (revisions, pusher) = published(&stage);
    let scenario = trapping(&stage, &pusher).set("ON_MISSING", "deny");
    let envoy = stage.envoy(scenario).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let load = Load::start(envoy.listener("direct").unwrap(), CLIENTS, PAUSE);
    load.set_floor(1);
    load.expect_traps(true);

    let listed: Vec<String> = (0..TOO_MANY).map(|each| format!("entry-{each}")).collect();
    let large = revisions.build_with(2, &listed).unwrap();
    pusher.publish_bytes(&large).unwrap();
    let refused = || Ok((envoy.metric("loads.refused")? >= 1).then_some(()));
    until("a VM to refuse what does not fit", refused).unwrap();
    wait_for_recovery(&envoy);
    assert_eq!(pusher.status().unwrap().rulesets[0].bundle.revision, 2);

    pusher.publish_bytes(&revisions.build(3).unwrap()).unwrap();
    let serves = || {
        let answer = ask(&envoy, 3);
        Ok((answer == Some(3)).then_some(()))
    };
    until("the next revision", serves).unwrap();
    wait_for_recovery(&envoy);
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
    assert!(
        !tally.by_revision.contains_key(&2),
        "{:?}",
        tally.by_revision
    );
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}

pub(crate) fn published(stage: &Stage) -> (Revisions, Pusher) {
    let revisions = Revisions::new(RULESET, stage.keys())
        .unwrap()
        .reading_trap();
    let pusher = stage.pusher().unwrap();
    pusher.publish_bytes(&revisions.build(1).unwrap()).unwrap();
    (revisions, pusher)
}

pub(crate) fn trapping(stage: &Stage, pusher: &Pusher) -> Scenario {
    let module = wasm_module("riskgate_trapping_filter").unwrap();
    streaming(stage, pusher).set("WASM", module.display())
}

/// Every worker has some of these.
pub(crate) fn connections(envoy: &Envoy) -> Vec<Connection> {
    let address = envoy.listener("direct").unwrap();
    (0..CONNECTIONS)
        .map(|_| Connection::open(address, None).unwrap())
        .collect()
}

/// Traps the VM of each worker.
pub(crate) fn trap_workers(envoy: &Envoy) {
    for connection in &mut connections(envoy) {
        let answer = connection.send(&shelf_request(0).header("x-trap", "now"));
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body), (503, Vec::new()));
    }
}

/// Traps the VM of whichever worker takes the connection, as if it had begun to load this bundle.
fn trap_while_loading(stage: &Stage, envoy: &Envoy, bundle: &[u8]) {
    let bundle = Bundle::parse(bundle).unwrap();
    let revision = bundle.manifest().revision.to_le_bytes();
    let noted = [&bundle.digest().0[..], &revision].concat();
    let noted: String = noted.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = SharedState::attempts_key(RULESET, stage.keys()).unwrap();
    let request = shelf_request(0).header("x-trap-loading", format!("{key} {noted}"));
    assert_eq!(envoy.send(&request).unwrap().status, 503);
}

/// Envoy makes a VM anew at the first request after a second.
pub(crate) fn wait_for_recovery(envoy: &Envoy) {
    let recovered = || {
        let all = (0..CONNECTIONS).all(|number| ask(envoy, number).is_some());
        Ok(all.then_some(()))
    };
    until("every worker to decide again", recovered).unwrap();
}

/// The revision that decides; nothing where a VM has trapped.
fn ask(envoy: &Envoy, number: u64) -> Option<u64> {
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let answer = connection.send(&shelf_request(number)).unwrap();
    let trapped = answer.status == 503 && answer.body.is_empty();
    (!trapped).then(|| revision_of(number, &answer).unwrap())
}
