//! The built filter in several VMs of one proxy: what they count together.
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
use riskgate_wasm_host::{Fault, Process, Vm};

const ROOT: u32 = 1;
const REQUEST: u32 = 100;
/// How often a VM exchanges.
const PERIOD_MS: u64 = 100;
const LIMIT: usize = 40;

const COUNTERS: &str = r#"
counters:
  by_device: { key: ['request.headers["x-device"]'], window: 1h }
  failures: { key: ['request.headers["x-account"]'], count_when: response.code == 401, window: 1h }
  hints: { key: ['request.headers["x-account"]'], count_when: 'response.headers["x-hint"] == "bad"', window: 1h }
"#;
const RULES: &str = r#"
rules:
  - { id: busy, when: counters.by_device > 40, then: { deny: { status: 429 } } }
  - { id: locked, when: counters.failures > 2, then: deny }
  - { id: hinted, when: counters.hints > 0, then: { deny: { status: 451 } } }
"#;

/// VMs that have had a request each, so that they are known to be no main thread's.
fn process(count: usize) -> Process {
    let mut process = Process::new(module(), count, bundle::EPOCH_S * 1_000_000_000).unwrap();
    for number in 0..count {
        begin(process.vm(number).unwrap());
    }
    process.advance(PERIOD_MS * 2).unwrap();
    process
}

fn begin(vm: &mut Vm) {
    let bundle = bundle::base64_of(1, COUNTERS, RULES);
    let configuration = configuration_with(&format!(r#","bundle":"{bundle}""#));
    vm.create_context(ROOT, 0).unwrap();
    assert!(vm.configure(ROOT, &configuration).unwrap());
    assert_eq!(request(vm, "x-other", "1", 200), 200);
}

/// What a request with this header is answered with: by the filter, or by the upstream with `code`.
fn request(vm: &mut Vm, name: &str, value: &str, code: u32) -> u32 {
    exchange(vm, (name, value), code, None)
}

/// The same, with the header `x-hint` of the upstream's response.
fn exchange(vm: &mut Vm, (name, value): (&str, &str), code: u32, hint: Option<&[u8]>) -> u32 {
    vm.create_context(REQUEST, ROOT).unwrap();
    let headers: [(&[u8], &[u8]); 2] = [(b":path", b"/"), (name.as_bytes(), value.as_bytes())];
    vm.request_headers(REQUEST, &headers, true).unwrap();
    let stream = vm.proxy_mut().http_stream(REQUEST);
    let reply = stream.local_response.as_ref().map(|reply| reply.status);
    let code = reply.unwrap_or(code);
    let told = u64::from(code).to_le_bytes().to_vec();
    stream.properties.insert(b"response\0code".to_vec(), told);
    if let Some(hint) = hint {
        let headers: [(&[u8], &[u8]); 1] = [(b"x-hint", hint)];
        vm.response_headers(REQUEST, &headers, true).unwrap();
    }
    assert!(vm.done(REQUEST).unwrap());
    vm.log(REQUEST).unwrap();
    vm.delete(REQUEST).unwrap();
    code
}

fn tap(vm: &mut Vm) -> u32 {
    request(vm, "x-device", "d1", 200)
}

fn metric(vm: &Vm, name: &str) -> i64 {
    vm.proxy().metric(name).unwrap()
}

#[test]
fn a_limit_is_that_of_all_vms_after_two_periods() {
    let mut process = process(3);
    for number in 0..LIMIT {
        assert_eq!(tap(process.vm(number % 3).unwrap()), 200);
    }
    process.advance(PERIOD_MS * 2).unwrap();
    for number in 0..3 {
        let vm = process.vm(number).unwrap();
        assert_eq!(tap(vm), 429);
        assert_eq!(metric(vm, "riskgate.counters.failures"), 0);
    }
}

#[test]
fn before_that_each_vm_lets_the_limit_through_at_most() {
    let mut process = process(3);
    let mut passed = 0;
    for number in 0..3 {
        let vm = process.vm(number).unwrap();
        passed += (0..100).filter(|_| tap(vm) == 200).count();
    }
    assert_eq!(passed, 3 * LIMIT);
    process.advance(PERIOD_MS * 2).unwrap();
    for number in 0..3 {
        assert_eq!(tap(process.vm(number).unwrap()), 429);
    }
}

#[test]
fn a_vm_that_ends_leaves_what_it_told_to_all() {
    let mut process = process(2);
    for number in 0..LIMIT {
        assert_eq!(tap(process.vm(number % 2).unwrap()), 200);
    }
    process.advance(PERIOD_MS * 2).unwrap();
    for number in 0..2 {
        process.restart(module(), number).unwrap();
    }
    let heir = process.vm(0).unwrap();
    begin(heir);
    process.advance(PERIOD_MS * 2).unwrap();
    assert_eq!(tap(process.vm(0).unwrap()), 429);
}

#[test]
fn responses_count_in_all_vms() {
    let mut process = process(2);
    for number in [0, 1, 0] {
        let vm = process.vm(number).unwrap();
        assert_eq!(request(vm, "x-account", "a1", 401), 401);
    }
    process.advance(PERIOD_MS * 2).unwrap();
    assert_eq!(request(process.vm(1).unwrap(), "x-account", "a1", 401), 403);

    let vm = process.vm(0).unwrap();
    let answered = exchange(vm, ("x-account", "a2"), 200, Some(b"bad"));
    assert_eq!(answered, 200);
    process.advance(PERIOD_MS * 2).unwrap();
    assert_eq!(request(process.vm(1).unwrap(), "x-account", "a2", 200), 451);
}

#[test]
fn whatever_shared_data_answers_a_vm_goes_on_counting() {
    let faults = [
        Fault::Status(1),
        Fault::Status(8),
        Fault::Status(10),
        Fault::Buffer(Vec::new()),
        Fault::Buffer(vec![0xff; 20_000]),
        Fault::Pointer {
            data: 16,
            len: 0x7fff_ffff,
        },
    ];
    let both = ["proxy_get_shared_data", "proxy_set_shared_data"];
    for call in both {
        let answered = faults
            .iter()
            .filter(|fault| call == both[0] || matches!(fault, Fault::Status(_)));
        for fault in answered {
            let mut process = process(2);
            let vm = process.vm(0).unwrap();
            vm.proxy_mut().inject(call, fault.clone());
            for _ in 0..LIMIT {
                assert_eq!(tap(process.vm(0).unwrap()), 200, "{call} {fault:?}");
                process.advance(PERIOD_MS).unwrap();
            }
            assert_eq!(tap(process.vm(0).unwrap()), 429, "{call} {fault:?}");
        }
    }
}

#[test]
fn what_stands_in_shared_data_is_bounded() {
    let mut process = process(2);
    for number in 0..1_000 {
        let device = format!("d{number}");
        request(process.vm(number % 2).unwrap(), "x-device", &device, 200);
    }
    process.advance(PERIOD_MS * 3).unwrap();
    let keys = process.shared_data().keys();
    // Two hundred shards and an index for each of the three counters, the directory, the hash key.
    assert!((200..=800).contains(&keys.len()), "{}", keys.len());
    for key in keys {
        let (value, _) = process.shared_data().get(&key).unwrap();
        assert!(value.len() <= 16 * 1024);
    }
}
