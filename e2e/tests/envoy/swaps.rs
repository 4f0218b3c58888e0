//! Many revisions one after the other while requests are under way.

use std::time::Duration;

use riskgate_e2e::{Load, Revisions, Stage, VMS};

use crate::{RULESET, load::streaming};

/// Memory settles in this many swaps, and stays in the others.
const SETTLING: u64 = 100;
const SWAPS: u64 = 300;

/// What Envoy may grow by in the others. Kept rulesets of 50 KiB in each of three VMs would be 30 MB.
const GROWTH_MAX_KB: u64 = 8 << 10;

#[test]
fn every_verdict_is_that_of_the_revision_it_names() {
    let stage = Stage::new().unwrap();
    let revisions = Revisions::new(RULESET, stage.keys()).unwrap();
    let listed: Vec<String> = (0..5_000).map(|each| format!("entry-{each}")).collect();
    let bundle = |revision| revisions.build_with(revision, &listed).unwrap();
    let pusher = stage.pusher().unwrap();
    pusher.publish_bytes(&bundle(1)).unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();

    let load = Load::start(
        envoy.listener("direct").unwrap(),
        3,
        Duration::from_millis(1),
    );
    let mut settled_kb = 0;
    for revision in 2..=SWAPS {
        pusher.publish_bytes(&bundle(revision)).unwrap();
        pusher.wait_for_acks(VMS, revision).unwrap();
        load.set_floor(revision);
        if revision == SETTLING {
            settled_kb = envoy.memory().unwrap().resident_kb;
        }
    }
    load.wait_for_answers(20).unwrap();
    let grown_kb = envoy
        .memory()
        .unwrap()
        .resident_kb
        .saturating_sub(settled_kb);
    let tally = load.finish().unwrap();
    assert_eq!(tally.violations, 0, "{:#?}", tally.told);
    assert!(tally.by_revision.len() as u64 > SWAPS / 3, "{tally:?}");
    assert!(
        grown_kb < GROWTH_MAX_KB,
        "Envoy grew by {grown_kb} kB from {settled_kb}"
    );
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
}
