//! The built filter in several VMs of one proxy: the bundle that they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

#[allow(dead_code, reason = "the other test binaries use the rest")]
mod filter;

use filter::{bundle, configuration_with, module};
use riskgate_wasm_host::{Process, Vm};

const ROOT: u32 = 1;
const REQUEST: u32 = 100;
const PERIOD_MS: u64 = 100;
const VMS: usize = 3;

fn process() -> Process {
    Process::new(module(), VMS, bundle::EPOCH_S * 1_000_000_000).unwrap()
}

/// Gives a VM a configuration, with a bundle of this revision or none.
fn begin(vm: &mut Vm, bundle: Option<u64>) {
    let more = bundle.map(|revision| format!(r#","bundle":"{}""#, bundle::base64(revision)));
    vm.create_context(ROOT, 0).unwrap();
    let configuration = configuration_with(&more.unwrap_or_default());
    assert!(vm.configure(ROOT, &configuration).unwrap());
}

/// The revision that decides a request.
fn revision(vm: &mut Vm) -> Option<u64> {
    vm.create_context(REQUEST, ROOT).unwrap();
    vm.request_headers(REQUEST, &[(b":path", b"/")], true)
        .unwrap();
    let stream = vm.proxy_mut().http_stream(REQUEST);
    let told = stream
        .set_properties
        .get(&b"riskgate.revision"[..])
        .cloned();
    assert!(vm.done(REQUEST).unwrap());
    vm.log(REQUEST).unwrap();
    vm.delete(REQUEST).unwrap();
    String::from_utf8(told?).unwrap().parse().ok()
}

fn keys(process: &Process, what: &str) -> Vec<Vec<u8>> {
    let mut keys = process.shared_data().keys();
    keys.retain(|key| key.windows(what.len()).any(|part| part == what.as_bytes()));
    keys
}

#[test]
fn a_vm_that_comes_later_has_the_state_before_its_first_request() {
    let mut process = process();
    begin(process.vm(0).unwrap(), Some(5));
    process.advance(PERIOD_MS).unwrap();
    for number in 1..VMS {
        let vm = process.vm(number).unwrap();
        begin(vm, Some(1));
        assert_eq!(revision(vm), Some(5));
        assert_eq!(vm.proxy().metric("riskgate.loads.refused"), Some(1));
    }
    // All of them end, and so does what they remember.
    for number in 0..VMS {
        process.restart(module(), number).unwrap();
    }
    begin(process.vm(0).unwrap(), Some(1));
    assert_eq!(revision(process.vm(0).unwrap()), Some(5));
}

#[test]
fn all_follow_within_a_tick() {
    let mut process = process();
    (0..VMS).for_each(|number| begin(process.vm(number).unwrap(), Some(1)));
    process.advance(PERIOD_MS).unwrap();
    process.restart(module(), 0).unwrap();
    begin(process.vm(0).unwrap(), Some(5));
    process.advance(2 * PERIOD_MS).unwrap();
    for number in 0..VMS {
        assert_eq!(
            revision(process.vm(number).unwrap()),
            Some(5),
            "VM {number}"
        );
    }
}

#[test]
fn huge_and_garbled_values_trap_nobody_and_take_no_memory() {
    let mut process = process();
    begin(process.vm(0).unwrap(), Some(5));
    process.advance(PERIOD_MS).unwrap();
    for key in keys(&process, "riskgate/") {
        process.shared_data().set(&key, &vec![7; 8 << 20]);
    }
    begin(process.vm(1).unwrap(), Some(1));
    let vm = process.vm(1).unwrap();
    assert_eq!(revision(vm), Some(1), "it cannot know better");
    process.advance(10 * PERIOD_MS).unwrap();
    assert_eq!(revision(process.vm(0).unwrap()), Some(5));
    let key = keys(&process, "/head").remove(0);
    process.shared_data().set(&key, b"garbled");
    process.advance(60 * PERIOD_MS).unwrap();
    assert_eq!(revision(process.vm(0).unwrap()), Some(5));
}
