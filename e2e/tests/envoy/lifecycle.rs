//! Envoys that drain, are replaced while they run, or start with a bundle whose time is over; and pushers that differ.

use std::{collections::BTreeSet, time::Duration};

use riskgate_e2e::{
    Connection, Envoy, Load, Pusher, Revisions, Stage, VMS, revision_of, shelf_request, until,
};

use crate::{RULESET, load::streaming};

const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(1);

#[test]
fn a_hot_restart_changes_no_verdict_and_both_processes_get_the_newest_rules() {
    let (stage, revisions, pusher) = published(1);
    let scenario = streaming(&stage, &pusher).boot_bundle(&revisions.build(1).unwrap());
    let old = stage.first_envoy(scenario.clone()).unwrap();
    let before = pusher.wait_for_acks(VMS, 1).unwrap();
    let load = Load::start(old.listener("direct").unwrap(), CLIENTS, PAUSE);

    let new = stage.hot_restart(&old, scenario).unwrap();
    pusher.publish_bytes(&revisions.build(2).unwrap()).unwrap();
    let both = pusher.wait_for_acks(2 * VMS, 2).unwrap();
    let instances: BTreeSet<_> = both.iter().map(|vm| vm.instance).collect();
    let holders = both
        .iter()
        .filter(|vm| vm.holds_stream)
        .map(|vm| vm.instance);
    assert_eq!(instances.len(), 2, "{both:?}");
    assert_eq!(holders.collect::<BTreeSet<_>>(), instances, "a stream each");
    assert!(both.iter().all(|vm| vm.node == before[0].node));
    load.set_floor(2);
    load.wait_for_answers(50).unwrap();

    old.wait_for_end().unwrap();
    pusher.publish_bytes(&revisions.build(3).unwrap()).unwrap();
    let after = pusher.wait_for_acks(VMS, 3).unwrap();
    load.set_floor(3);
    load.wait_for_answers(50).unwrap();
    assert_eq!(after[0].node, before[0].node);
    assert_ne!(after[0].instance, before[0].instance);
    check(load);
    assert_eq!(new.metric("decisions.missing").unwrap(), 0);
}

#[test]
fn an_envoy_that_drains_gets_the_newest_rules_to_its_end() {
    let (stage, revisions, pusher) = published(1);
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let mut kept = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let first = kept.send(&shelf_request(0)).unwrap();
    assert_eq!(revision_of(0, &first).unwrap(), 1);

    envoy.admin().drain_listeners().unwrap();
    pusher.publish_bytes(&revisions.build(2).unwrap()).unwrap();
    let vms = pusher.wait_for_acks(VMS, 2).unwrap();
    assert_eq!(vms.iter().filter(|vm| vm.holds_stream).count(), 1);
    let last = kept.send(&shelf_request(0)).unwrap();
    assert_eq!(revision_of(0, &last).unwrap(), 2);
}

#[test]
fn an_expired_boot_bundle_decides_until_a_newer_one_comes() {
    let stage = Stage::new().unwrap();
    let fresh = Revisions::new(RULESET, stage.keys()).unwrap();
    let month = Duration::from_secs(30 * 24 * 3600);
    let stale = Revisions::new(RULESET, stage.keys())
        .unwrap()
        .issued_before(month);
    let pusher = stage.pusher().unwrap();
    // Were the boot bundle not there, requests would be refused.
    let scenario = streaming(&stage, &pusher).set("ON_MISSING", "deny");
    let envoy = stage
        .envoy(scenario.boot_bundle(&stale.build(1).unwrap()))
        .unwrap();
    assert_eq!(revision_on(&envoy), 1);
    envoy.wait_for_metric("decisions.expired", 1).unwrap();
    pusher.publish_bytes(&fresh.build(2).unwrap()).unwrap();
    pusher.wait_for_acks(VMS, 2).unwrap();
    assert_eq!(revision_on(&envoy), 2);
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}

/// The cluster has two endpoints, and their stores differ: what the filter holds never goes back.
#[test]
fn of_two_pushers_that_differ_the_higher_revision_serves() {
    let (stage, revisions, one) = published(1);
    let other = stage.pusher().unwrap();
    other.publish_bytes(&revisions.build(2).unwrap()).unwrap();
    let port = other.addresses().subscribers.port();
    let scenario = streaming(&stage, &one).edit(move |text| second_endpoint(text, port));
    let envoy = stage.envoy(scenario).unwrap();
    let load_from = |revision| {
        let serves = || Ok((revision_on(&envoy) == revision).then_some(()));
        until("the higher revision", serves).unwrap();
    };
    // Whichever the streams went to: with the one that has the lower revision gone, the higher one comes.
    let one = one.kill();
    other.wait_for_acks(VMS, 2).unwrap();
    load_from(2);
    let load = Load::start(envoy.listener("direct").unwrap(), CLIENTS, PAUSE);
    load.set_floor(2);

    // Back with its lower revision, it is alone.
    let one = one.start().unwrap();
    let other = other.kill();
    let newer = || {
        let vms = one.status()?.vms;
        let holds =
            |vm: &riskgate_push_protocol::VmStatus| vm.held.is_some_and(|held| held.revision == 2);
        Ok((vms.len() == VMS && vms.iter().all(holds)).then_some(()))
    };
    until(
        "every VM to come to the other pusher with what it holds",
        newer,
    )
    .unwrap();
    load.wait_for_answers(50).unwrap();
    one.publish_bytes(&revisions.build(3).unwrap()).unwrap();
    one.wait_for_acks(VMS, 3).unwrap();
    load.set_floor(3);
    let _other = other.start().unwrap();
    load.wait_for_answers(50).unwrap();
    check(load);
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
}

fn published(revision: u64) -> (Stage, Revisions, Pusher) {
    let stage = Stage::new().unwrap();
    let revisions = Revisions::new(RULESET, stage.keys()).unwrap();
    let pusher = stage.pusher().unwrap();
    pusher
        .publish_bytes(&revisions.build(revision).unwrap())
        .unwrap();
    (stage, revisions, pusher)
}

fn revision_on(envoy: &Envoy) -> u64 {
    let answer = envoy.send(&shelf_request(0)).unwrap();
    revision_of(0, &answer).unwrap_or(0)
}

fn check(load: Load) {
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
}

fn second_endpoint(bootstrap: &str, port: u16) -> String {
    let mut bootstrap: serde_json::Value = serde_saphyr::from_str(bootstrap).unwrap();
    let cluster = &mut bootstrap["static_resources"]["clusters"][1];
    assert_eq!(cluster["name"], "rule_pusher");
    let endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"].as_array_mut();
    let endpoints = endpoints.unwrap();
    let mut second = endpoints[0].clone();
    second["endpoint"]["address"]["socket_address"]["port_value"] = port.into();
    endpoints.push(second);
    bootstrap.to_string()
}
