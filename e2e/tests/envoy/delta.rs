//! What travels when only a part of the rules changes, counted by Envoy.

use std::fmt::Write as _;

use riskgate_e2e::{Envoy, Request, Stage, VMS};

use crate::{RULESET, load::streaming};

const LISTED: usize = 1_000_000;

/// Bytes that came from the push service so far.
fn received(envoy: &Envoy) -> u64 {
    let name = "cluster.rule_pusher.upstream_cx_rx_bytes_total";
    envoy.admin().stat(name).unwrap().unwrap()
}

/// Denies what is on a list, with this status.
fn rules(status: u16) -> String {
    format!(
        "rules:\n  - id: banned\n    when: request.headers[\"x-device\"] in lists.devices\n    then: {{ deny: {{ status: {status} }} }}\n"
    )
}

#[test]
fn a_list_of_a_million_that_did_not_change_is_not_sent_again() {
    let stage = Stage::new().unwrap();
    let list = "lists:\n  devices: { type: string, file: devices.txt }\n";
    let mut devices = String::new();
    for number in 0..LISTED {
        writeln!(devices, "device-{number:07}").unwrap();
    }
    let build = |status, revision| {
        let folder = stage.write_ruleset_with(RULESET, list, &rules(status));
        let folder = folder.unwrap();
        std::fs::write(folder.join("devices.txt"), &devices).unwrap();
        stage.build_folder(&folder, revision).unwrap()
    };
    let (first, second, third) = (build(403, 1), build(429, 2), build(418, 3));
    let file_len = first.read().unwrap().len() as u64;
    let pusher = stage.pusher().unwrap();
    pusher.publish(&first).unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    let check = |status| {
        let last = format!("device-{:07}", LISTED - 1);
        let of = |device: &str| Request::get("/").header("x-device", device);
        assert_eq!(envoy.send(&of(&last)).unwrap().status, status);
        assert_eq!(envoy.send(&of("device-x")).unwrap().status, 200);
    };
    pusher.wait_for_acks(VMS, 1).unwrap();
    check(403);
    let whole = received(&envoy);
    assert!(
        (file_len..2 * file_len).contains(&whole),
        "once for all VMs: {whole} of {file_len} bytes"
    );

    pusher.publish(&second).unwrap();
    pusher.wait_for_acks(VMS, 2).unwrap();
    check(429);
    let delta = received(&envoy) - whole;
    assert!(delta < 16_000, "{delta} bytes for another status");

    // What is held is stated to whoever asks, so that another connection brings no more.
    let pusher = pusher.restart().unwrap();
    pusher.wait_for_acks(VMS, 2).unwrap();
    pusher.publish(&third).unwrap();
    pusher.wait_for_acks(VMS, 3).unwrap();
    check(418);
    let delta = received(&envoy) - whole;
    assert!(
        delta < 32_000,
        "{delta} bytes for two changes and a reconnect"
    );
}
