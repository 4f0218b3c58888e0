//! A plugin with the same `vm_id` that forges, erases and drains all that the filter's VMs share.

use std::time::Duration;

use riskgate_e2e::{Load, Neighbour, Revisions, SharedState, Stage, VMS};

use crate::{RULESET, load::streaming};

/// A value four times as long as the longest that the filter writes.
const HUGE: usize = 1 << 20;

#[test]
fn a_neighbour_changes_no_verdict_and_stops_no_revision() {
    let stage = Stage::new().unwrap();
    let revisions = Revisions::new(RULESET, stage.keys()).unwrap();
    let pusher = stage.pusher().unwrap();
    pusher.publish_bytes(&revisions.build(1).unwrap()).unwrap();
    let scenario = Neighbour::beside(streaming(&stage, &pusher)).unwrap();
    let envoy = stage.envoy(scenario).unwrap();
    let neighbour = Neighbour::of(&envoy).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let shared = SharedState::new(RULESET, stage.keys(), neighbour).unwrap();
    let load = Load::start(
        envoy.listener("direct").unwrap(),
        2,
        Duration::from_millis(1),
    );
    load.set_floor(1);

    let first = shared.read().unwrap();
    let attacks: [(&str, &dyn Fn()); 6] = [
        ("old values again", &|| shared.write(&first).unwrap()),
        ("nothing", &|| shared.overwrite(b"").unwrap()),
        ("garbage", &|| shared.overwrite(&[0xff; 300]).unwrap()),
        ("drained queues", &|| shared.drain().unwrap()),
        ("stolen queues and forged wake-ups", &|| {
            shared.take_and_inject().unwrap();
        }),
        ("huge values", &|| shared.fill(HUGE).unwrap()),
    ];
    for (revision, (attack, act)) in (2..).zip(attacks) {
        act();
        pusher
            .publish_bytes(&revisions.build(revision).unwrap())
            .unwrap();
        act();
        let acked = pusher.wait_for_acks(VMS, revision);
        acked.unwrap_or_else(|error| panic!("{attack}: {error:#}"));
        load.set_floor(revision);
        act();
        load.wait_for_answers(50).unwrap();
    }
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}
