//! The built filter in a host that answers badly: whatever a call returns, the VM does not trap.
//!
//! What the crate `proxy-wasm` cannot stand is listed at the end, and each entry is shown to be true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod filter;

use filter::{bundle, configuration_with, fresh, module};
use riskgate_wasm_host::{Action, Error, Fault, Vm};

/// Every status of the ABI, some between and behind them, and one that is negative when read with a sign.
const STATUSES: [u32; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 255, u32::MAX];
/// More than the longest wait between two streams, 30 s of 100 ms.
const TICKS_UNTIL_CONNECTED: usize = 310;
/// More than the wait for the first stream while a bundle serves, 0.5 s of 100 ms.
const TICKS_UNTIL_FIRST_STREAM: usize = 7;
/// Those that the crate `proxy-wasm` has a name for. What it does with another one, where it declares the call itself, is
/// undefined: that cannot be tested, only kept away.
const STATUSES_OF_THE_CRATE: [u32; 8] = [0, 1, 2, 3, 4, 7, 8, 10];
const ROOT: u32 = 1;

/// Everything that Envoy does with a filter, from the first callback to the last.
fn live(vm: &mut Vm, configuration: &[u8]) -> Result<(), Error> {
    vm.create_context(ROOT, 0)?;
    vm.start(ROOT)?;
    assert!(
        vm.configure(ROOT, configuration)?,
        "a false would stop Envoy or unfilter it"
    );
    for _ in 0..TICKS_UNTIL_FIRST_STREAM {
        vm.tick(ROOT)?;
    }
    requests(vm, 10)?;
    for _ in 0..3 {
        stream(vm)?;
    }
    requests(vm, 20)?;
    assert!(vm.done(ROOT)?);
    vm.log(ROOT)?;
    vm.delete(ROOT)
}

/// A configuration that lets the filter use every call it has: with a bundle and a push service.
fn configuration() -> Vec<u8> {
    let bundle = bundle::base64(1);
    configuration_with(&format!(
        r#","push":{{"cluster":"pusher"}},"bundle":"{bundle}","client_ip":{{"trusted_hops":1}}"#
    ))
}

fn requests(vm: &mut Vm, first_id: u32) -> Result<(), Error> {
    let headers = |path| {
        let all: [(&[u8], &[u8]); 6] = [
            (b":method", b"GET"),
            (b":authority", b"shop.example"),
            (b":path", path),
            (b"x-risk-score", b"1"),
            (b"x-risk-tag-vip", b"\xff"),
            (b"x-forwarded-for", b"203.0.113.9"),
        ];
        all
    };
    for (id, path) in (first_id..).zip([&b"/blocked"[..], b"/tagged", b"/verify"]) {
        vm.create_context(id, ROOT)?;
        vm.request_headers(id, &headers(path))?;
        vm.done(id)?;
        vm.log(id)?;
        vm.delete(id)?;
    }
    Ok(())
}

/// A stream that is used, misused and closed, and the wait for the next one.
fn stream(vm: &mut Vm) -> Result<(), Error> {
    let token = u32::try_from(vm.proxy().streams.len()).unwrap().max(1);
    vm.grpc_initial_metadata(ROOT, token)?;
    vm.grpc_receive(ROOT, token, b"\xff\xff\xff")?;
    vm.grpc_receive(ROOT, token + 1, b"")?;
    vm.tick(ROOT)?;
    vm.grpc_close(ROOT, token, 14)?;
    for _ in 0..TICKS_UNTIL_CONNECTED {
        vm.tick(ROOT)?;
    }
    Ok(())
}

#[test]
fn a_good_host_gets_good_answers() {
    let module = module();
    let mut vm = fresh(module);
    live(&mut vm, &configuration()).unwrap();
    let proxy = vm.proxy();
    assert_eq!(
        proxy.metric("riskgate.loads.accepted"),
        Some(1),
        "{:?}",
        proxy.log
    );
    assert_eq!(proxy.metric("riskgate.decisions.deny"), Some(2));
    assert_eq!(proxy.metric("riskgate.decisions.allow"), Some(2));
    assert_eq!(proxy.metric("riskgate.decisions.challenge"), Some(2));
    assert!(
        proxy.streams.len() > 2,
        "it connects again: {:?}",
        proxy.log
    );
    let imports = module.imports("env");
    let unused: Vec<_> = imports
        .iter()
        .filter(|name| !proxy.calls.contains(name))
        .collect();
    // The calls that the crate `proxy-wasm` imports for methods nobody calls, or that need what this life has not.
    assert!(
        !unused
            .iter()
            .any(|name| name.contains("grpc_stream") || name.contains("property")),
        "{unused:?}"
    );
}

#[test]
fn no_status_traps() {
    let module = module();
    let mut calls = module.imports("env");
    calls.push("random_get".to_owned());
    assert!(calls.len() > 15, "{calls:?}");
    for call in &calls {
        for status in STATUSES {
            // Always, and from the second use on.
            for good in [0, 1] {
                if is_exception(call, status, good) {
                    continue;
                }
                let mut vm = fresh(module);
                vm.proxy_mut()
                    .inject_after(call, good, Fault::Status(status));
                let lived = live(&mut vm, &configuration());
                assert!(
                    lived.is_ok(),
                    "{call} answers {status} after {good} good answers: {lived:?}"
                );
            }
        }
    }
}

#[test]
fn no_buffer_traps() {
    let module = module();
    let calls = [
        "proxy_get_buffer_bytes",
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_get_shared_data",
    ];
    let faults = [
        Fault::Buffer(vec![]),
        Fault::Buffer(b"garbage".to_vec()),
        Fault::Buffer(vec![0; 4]),
        Fault::Buffer([&u32::MAX.to_le_bytes()[..], &[0; 64]].concat()),
        Fault::Buffer(vec![0xff; 4 << 20]),
        Fault::Pointer { data: 0, len: 0 },
        Fault::Pointer { data: 0, len: 5 },
        Fault::Pointer {
            data: u32::MAX - 3,
            len: 8,
        },
        Fault::Pointer {
            data: 16,
            len: u32::MAX,
        },
        Fault::Pointer {
            data: 16,
            len: 0x7fff_ffff,
        },
    ];
    for call in calls {
        for fault in &faults {
            let mut vm = fresh(module);
            vm.proxy_mut().inject(call, fault.clone());
            // Then the instance is that of another VM.
            vm.proxy_mut()
                .shared_data
                .insert(b"riskgate.instance.v1".to_vec(), (vec![7; 16], 1));
            let lived = live(&mut vm, &configuration());
            assert!(lived.is_ok(), "{call} returns {fault:?}: {lived:?}");
        }
    }
}

#[test]
fn no_number_traps() {
    let module = module();
    for call in ["proxy_get_current_time_nanoseconds", "proxy_define_metric"] {
        for number in [0, 1, u64::from(u32::MAX), u64::MAX] {
            let mut vm = fresh(module);
            vm.proxy_mut().inject(call, Fault::Number(number));
            let lived = live(&mut vm, &configuration());
            assert!(lived.is_ok(), "{call} returns {number}: {lived:?}");
        }
    }
}

#[test]
fn a_refused_request_stays_refused_when_the_answer_fails() {
    let mut vm = fresh(module());
    vm.proxy_mut()
        .inject("proxy_send_local_response", Fault::Status(10));
    vm.create_context(ROOT, 0).unwrap();
    vm.configure(ROOT, &configuration()).unwrap();
    vm.create_context(2, ROOT).unwrap();
    assert_eq!(
        vm.request_headers(2, &[(b":path", b"/blocked")]).unwrap(),
        Action::Pause
    );
    vm.create_context(3, ROOT).unwrap();
    assert_eq!(
        vm.request_headers(3, &[(b":path", b"/")]).unwrap(),
        Action::Continue
    );
}

/// The filter tries these two calls before each stream, and opens none if they answer badly then. A host that
/// answers well when tried and badly a moment later makes the crate `proxy-wasm` panic, or worse; Envoy does not.
fn is_exception(call: &str, status: u32, good: u32) -> bool {
    match call {
        "proxy_set_effective_context" => good > 0 && status != 0,
        // 0 is no exception, and neither are the failures that the crate knows.
        "proxy_grpc_stream" => good > 0 && ![0, 4, 10].contains(&status),
        _ => false,
    }
}

#[test]
fn the_exceptions_are_what_they_are_said_to_be() {
    let module = module();
    for call in ["proxy_set_effective_context", "proxy_grpc_stream"] {
        for status in STATUSES_OF_THE_CRATE
            .into_iter()
            .filter(|status| is_exception(call, *status, 1))
        {
            let mut vm = fresh(module);
            // The first use is the one that tries the call.
            vm.proxy_mut().inject_after(call, 1, Fault::Status(status));
            let lived = live(&mut vm, &configuration());
            assert!(
                matches!(lived, Err(Error::Trap { .. })),
                "{call} answers {status} later on: {lived:?}"
            );
        }
    }
}

/// A token that is given out again although the filter cancelled its stream, which no callback tells the crate.
#[test]
fn a_token_that_is_given_twice_is_an_exception() {
    let mut vm = connected(|vm| vm.proxy_mut().inject("proxy_grpc_stream", Fault::Number(1)));
    vm.grpc_receive(ROOT, 1, b"\xff").unwrap();
    vm.tick(ROOT).unwrap();
    assert!(vm.proxy().streams[0].cancelled);
    let connects_again = (0..TICKS_UNTIL_CONNECTED).try_for_each(|_| vm.tick(ROOT));
    assert!(
        matches!(connects_again, Err(Error::Trap { .. })),
        "{connects_again:?}"
    );
}

/// A stream's callback from inside of the call that uses the stream.
#[test]
fn a_stream_callback_inside_of_a_call_is_an_exception() {
    let close = Fault::Callback {
        name: "proxy_on_grpc_close".to_owned(),
        args: vec![ROOT, 1, 14],
    };
    let vm = connected(|vm| vm.proxy_mut().inject("proxy_grpc_send", close));
    assert_eq!(vm.proxy().callback_results, [None], "it trapped");
}

/// A VM that has opened its first stream on a proxy that `prepare` spoiled.
fn connected(prepare: impl FnOnce(&mut Vm)) -> Vm {
    let mut vm = fresh(module());
    prepare(&mut vm);
    vm.create_context(ROOT, 0).unwrap();
    vm.configure(ROOT, &configuration()).unwrap();
    for _ in 0..TICKS_UNTIL_FIRST_STREAM {
        vm.tick(ROOT).unwrap();
    }
    assert_eq!(vm.proxy().streams.len(), 1);
    vm
}
