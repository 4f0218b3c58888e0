//! The wasm host against a real Envoy: a module makes the same thousands of calls in both, good ones and bad ones, and each
//! answer of the host has to be Envoy's, to the byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod calls;
mod life;
#[path = "../envoy/listeners.rs"]
mod listeners;
mod probe;
mod trace;

use calls::{Call, Random};
use probe::{Probe, RESULT_LEN};
use riskgate_e2e::{Connection, Request, Stage};
use riskgate_wasm_host::{Module, Plugin, Server};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Of requests, each with its own calls.
const SEQUENCES: usize = 24;
const CALLS: usize = 200;
const SEED: u64 = 20_261_123;

#[test]
fn the_host_answers_each_call_as_envoy_does() {
    let mut random = Random::new(SEED);
    let sequences: Vec<Vec<Call>> = (0..SEQUENCES)
        .map(|_| (0..CALLS).map(|_| Call::draw(&mut random)).collect())
        .collect();
    let wasm = Probe::new(&sequences).module();
    let from_envoy = in_envoy(&wasm);
    let from_host = in_host(&wasm);
    let mut different = Vec::new();
    let mut statuses = BTreeSet::new();
    for (number, sequence) in sequences.iter().enumerate() {
        let answers = [&from_envoy[number], &from_host[number]];
        for (place, call) in sequence.iter().enumerate() {
            let [envoy, host] = answers.map(|bytes| result(bytes, place));
            statuses.insert((call.name, envoy[0]));
            if envoy != host {
                different.push(format!(
                    "{number}.{place} {call}: Envoy {envoy:?}, host {host:?}"
                ));
                // What follows may differ for that.
                break;
            }
        }
        if answers[0] != answers[1] && different.is_empty() {
            different.push(format!("{number}: the buffers that were given differ"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    // Of most calls it saw a success and a failure at least.
    assert!(statuses.len() > 2 * Call::each().count(), "{statuses:?}");
}

/// The status of a call and what it put into its three places.
fn result(bytes: &[u8], place: usize) -> [u32; RESULT_LEN / 4] {
    let bytes = &bytes[place * RESULT_LEN..][..RESULT_LEN];
    std::array::from_fn(|word| u32::from_le_bytes(bytes[word * 4..][..4].try_into().unwrap()))
}

fn in_envoy(wasm: &[u8]) -> Vec<Vec<u8>> {
    let stage = Stage::new().unwrap();
    let path = stage.folder().join("probe.wasm");
    std::fs::write(&path, wasm).unwrap();
    let scenario = stage.scenario("static", "shop").unwrap();
    let scenario = scenario.set("WASM", path.display()).set("BUNDLE", "");
    let envoy = stage.envoy(scenario).unwrap();
    // One connection stays on one worker, and so in one VM.
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let answers = (0..SEQUENCES).map(|_| {
        let response = connection.send(&probe_request()).unwrap();
        assert_eq!(response.status, 200);
        response.body
    });
    answers.collect()
}

fn probe_request() -> Request {
    Request::get("/").header("x-a", "1").header("x-a", "2")
}

fn in_host(wasm: &[u8]) -> Vec<Vec<u8>> {
    let mut server = Server::new(1, 1_800_000_000_000_000_000);
    let mut plugin = Plugin::new(Arc::new(Module::new(wasm).unwrap()), b"{}");
    plugin.vm_id = "riskgate".to_owned();
    let plugin = server.install(plugin).unwrap();
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let request = riskgate_wasm_host::Request {
        headers: vec![pair(":path", "/"), pair("x-a", "1"), pair("x-a", "2")],
        ..Default::default()
    };
    let answers = (0..SEQUENCES).map(|_| {
        let upstream = |_: &_| panic!("the probe answers");
        let outcome = server.exchange(plugin, 1, request.clone(), upstream);
        assert_eq!(outcome.status(), Some(200), "{:?}", outcome.passage);
        outcome.stream.response.sent_body
    });
    answers.collect()
}
