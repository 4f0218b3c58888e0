//! A plugin with the same `vm_id` that forges, erases and drains all that the filter's VMs share.

use std::{fs, time::Duration};

use riskgate_e2e::{Load, Neighbour, Revisions, Stage, VMS};
use riskgate_filter_sdk::{config::Config, namespace::Namespace};
use serde_json::json;

use crate::{RULESET, load::streaming};

/// Slots of VMs, and queues for each, as many as there may be.
const SLOTS: usize = 64;

/// Pages of bundles that are looked at.
const PAGES: usize = 8;

/// A value that does not fit a VM many times.
const HUGE: usize = 64 << 20;

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
    let shared = Shared::new(&stage, neighbour);
    let load = Load::start(
        envoy.listener("direct").unwrap(),
        2,
        Duration::from_millis(1),
    );
    load.set_floor(1);

    let first = shared.read();
    let attacks: [(&str, &dyn Fn()); 6] = [
        ("old values again", &|| shared.write(&first)),
        ("nothing", &|| shared.overwrite(b"")),
        ("garbage", &|| shared.overwrite(&[0xff; 300])),
        ("drained queues", &|| shared.drain()),
        ("stolen queues and forged wake-ups", &|| {
            shared.take_and_inject();
        }),
        ("huge values", &|| shared.fill(HUGE)),
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

/// All that the filter's VMs share, as the neighbour sees it.
struct Shared {
    neighbour: Neighbour,
    keys: Vec<String>,
    queues: Vec<String>,
}

impl Shared {
    fn new(stage: &Stage, neighbour: Neighbour) -> Self {
        let config = json!({
            "ruleset": RULESET,
            "trust": { "keys": [fs::read_to_string(&stage.keys().public).unwrap()] },
            "push": { "cluster": "rule_pusher" },
        });
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let namespace = Namespace::of(&config);
        let mut keys: Vec<_> = ["head", "lease", "attempts"].map(str::to_owned).into();
        keys.extend((0..SLOTS).map(|slot| format!("slot/{slot}")));
        keys.extend((0..PAGES).map(|page| format!("page/{page}")));
        Shared {
            neighbour,
            keys: keys.iter().map(|key| namespace.key(key)).collect(),
            queues: (0..SLOTS)
                .map(|slot| namespace.key(format!("queue/{slot}")))
                .collect(),
        }
    }

    fn read(&self) -> Vec<(String, Vec<u8>)> {
        let read = |key: &String| Some((key.clone(), self.neighbour.read(key).unwrap()?));
        self.keys.iter().filter_map(read).collect()
    }

    fn write(&self, values: &[(String, Vec<u8>)]) {
        for (key, value) in values {
            self.neighbour.write(key, value).unwrap();
        }
    }

    fn overwrite(&self, value: &[u8]) {
        for key in &self.keys {
            self.neighbour.write(key, value).unwrap();
        }
    }

    /// The first keys only: 64 slots would be 4 GiB.
    fn fill(&self, len: usize) {
        for key in self.keys.iter().take(4) {
            self.neighbour.fill(key, len).unwrap();
        }
    }

    fn drain(&self) {
        for queue in &self.queues {
            self.neighbour.drain(queue).unwrap();
        }
    }

    fn take_and_inject(&self) {
        for queue in &self.queues {
            self.neighbour.take(queue).unwrap();
            assert!(self.neighbour.inject(queue, b"forged").unwrap());
        }
    }
}
