//! The two ways that rules come to a filter, and what holds when there are none.

use riskgate_e2e::{Envoy, Pusher, Scenario, Stage, VMS};

use crate::{NO_ADMIN, NO_LOGIN, RULESET};

#[test]
fn a_bundle_in_the_configuration_serves_from_the_first_request() {
    let stage = Stage::new().unwrap();
    let bundle = stage.build(RULESET, NO_ADMIN, 7).unwrap();
    // Without rules every request would be refused: so no request passed before they were there.
    let scenario = stage
        .scenario("static", RULESET)
        .unwrap()
        .set("ON_MISSING", "deny");
    let envoy = stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap();
    for _ in 0..8 {
        assert_eq!(envoy.get("/item").unwrap().status, 200);
        assert_eq!(envoy.get("/admin").unwrap().status, 403);
    }
    let accepted = envoy.wait_for_metric("loads.accepted", VMS as u64).unwrap();
    // All but the first find it in shared data as well, if they look there after the first has left it.
    assert!(accepted < 2 * VMS as u64, "{accepted}");
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}

#[test]
fn a_pushed_bundle_serves_in_every_vm() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    pusher
        .publish(&stage.build(RULESET, NO_ADMIN, 1).unwrap())
        .unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    let vms = pusher.wait_for_acks(VMS, 1).unwrap();
    for vm in &vms {
        assert_eq!(
            (vm.node.as_str(), vm.ruleset.as_str()),
            ("envoy-1", RULESET)
        );
    }
    let one_process = vms.iter().all(|vm| vm.instance == vms[0].instance);
    assert!(one_process, "one Envoy is one instance: {vms:?}");
    check_serves(&envoy, NO_ADMIN);
    let status = pusher.status_json().unwrap();
    assert_eq!(status["vms"].as_array().unwrap().len(), VMS, "{status}");
}

#[test]
fn without_rules_requests_pass_when_the_configuration_says_so() {
    check_without_rules("allow", 200);
}

#[test]
fn without_rules_requests_are_refused_when_the_configuration_says_so() {
    check_without_rules("deny", 503);
}

/// What `on_missing` says holds until the first rules arrive, and not longer.
fn check_without_rules(on_missing: &str, status: u16) {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    let scenario = streaming(&stage, &pusher).set("ON_MISSING", on_missing);
    let envoy = stage.envoy(scenario).unwrap();
    assert_eq!(envoy.get("/item").unwrap().status, status);
    assert_eq!(envoy.get("/admin").unwrap().status, status);
    assert_eq!(envoy.wait_for_metric("decisions.missing", 2).unwrap(), 2);

    pusher
        .publish(&stage.build(RULESET, NO_ADMIN, 1).unwrap())
        .unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    check_serves(&envoy, NO_ADMIN);
}

#[test]
fn a_restarted_pusher_knows_its_rules_and_its_filters_come_back() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    pusher
        .publish(&stage.build(RULESET, NO_ADMIN, 1).unwrap())
        .unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    let before = pusher.wait_for_acks(VMS, 1).unwrap();
    let published = pusher.status().unwrap().rulesets;

    let pusher = pusher.restart().unwrap();
    assert_eq!(pusher.status().unwrap().rulesets, published);
    check_serves(&envoy, NO_ADMIN);
    let after = pusher.wait_for_acks(VMS, 1).unwrap();
    let vms = |vms: &[riskgate_push_protocol::VmStatus]| {
        let mut ids: Vec<_> = vms.iter().map(|vm| vm.vm).collect();
        ids.sort();
        ids
    };
    assert_eq!(vms(&before), vms(&after), "the same VMs, none made anew");

    pusher
        .publish(&stage.build(RULESET, NO_LOGIN, 2).unwrap())
        .unwrap();
    pusher.wait_for_acks(VMS, 2).unwrap();
    check_serves(&envoy, NO_LOGIN);
}

#[test]
fn a_restarted_envoy_gets_the_newest_rules() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    pusher
        .publish(&stage.build(RULESET, NO_ADMIN, 1).unwrap())
        .unwrap();
    let first = stage.envoy(streaming(&stage, &pusher)).unwrap();
    let before = pusher.wait_for_acks(VMS, 1).unwrap();
    drop(first);

    pusher
        .publish(&stage.build(RULESET, NO_LOGIN, 2).unwrap())
        .unwrap();
    let second = stage.envoy(streaming(&stage, &pusher)).unwrap();
    let after = pusher.wait_for_acks(VMS, 2).unwrap();
    assert_ne!(
        before[0].instance, after[0].instance,
        "another process is another instance"
    );
    check_serves(&second, NO_LOGIN);
}

pub(crate) fn streaming(stage: &Stage, pusher: &Pusher) -> Scenario {
    let port = pusher.addresses().subscribers.port();
    stage
        .scenario("stream", RULESET)
        .unwrap()
        .set("PUSHER_PORT", port)
}

/// Often enough that both workers answer.
pub(crate) fn check_serves(envoy: &Envoy, rules: &str) {
    let (admin, login) = if rules == NO_ADMIN {
        (403, 200)
    } else {
        (200, 429)
    };
    for _ in 0..8 {
        assert_eq!(envoy.get("/admin").unwrap().status, admin);
        assert_eq!(envoy.get("/login").unwrap().status, login);
    }
}
