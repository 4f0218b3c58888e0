//! The built filter in a host that answers badly: whatever a call returns, and whenever a callback comes, the VM does not
//! trap.
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
        vm.request_headers(id, &headers(path), true)?;
        vm.done(id)?;
        vm.log(id)?;
        vm.delete(id)?;
    }
    Ok(())
}

/// A stream that is used, misused and closed, and the wait for the next one.
fn stream(vm: &mut Vm) -> Result<(), Error> {
    let opened = vm.proxy().grpc_streams.last();
    let token = opened.map_or(6, |stream| stream.token);
    vm.queue_ready(ROOT, 1)?;
    vm.grpc_initial_metadata(ROOT, token, Vec::new())?;
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
        proxy.grpc_streams.len() > 2,
        "it connects again: {:?}",
        proxy.log
    );
    let imports = module.imports("env");
    let unused: Vec<_> = imports
        .iter()
        .filter(|name| !proxy.calls.contains(name))
        .collect();
    // Of its process this VM is the only one: there is nobody to wake.
    let of_others = ["proxy_resolve_shared_queue", "proxy_enqueue_shared_queue"];
    let of_others = imports.iter().filter(|name| of_others.contains(&&name[..]));
    assert_eq!(unused, of_others.collect::<Vec<_>>());
}

#[test]
fn no_status_traps() {
    let module = module();
    let mut calls = module.imports("env");
    calls.push("random_get".to_owned());
    calls.push("clock_time_get".to_owned());
    assert!(calls.len() > 15, "{calls:?}");
    for call in &calls {
        for status in STATUSES {
            // Always, and from the second use on.
            for good in [0, 1] {
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
                .set(b"riskgate.instance.v1", &[7; 16]);
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
        vm.request_headers(2, &[(b":path", b"/blocked")], true)
            .unwrap(),
        Action::Pause
    );
    vm.create_context(3, ROOT).unwrap();
    assert_eq!(
        vm.request_headers(3, &[(b":path", b"/")], true).unwrap(),
        Action::Continue
    );
}

/// A token that is given out again while the filter's first stream of that token is only cancelled.
#[test]
fn a_token_that_is_given_twice_does_not_trap() {
    let mut vm = connected(|vm| vm.proxy_mut().inject("proxy_grpc_stream", Fault::Number(6)));
    vm.grpc_receive(ROOT, 6, b"\xff").unwrap();
    vm.tick(ROOT).unwrap();
    assert!(vm.proxy().grpc_streams[0].cancelled);
    for _ in 0..TICKS_UNTIL_CONNECTED {
        vm.tick(ROOT).unwrap();
    }
    assert!(vm.proxy().grpc_streams.len() > 1, "it connects again");
}

/// Callbacks from inside of the call that uses the stream. The close is not lost: the next tick ends the stream.
#[test]
fn a_stream_callback_inside_of_a_call_does_not_trap() {
    for (name, streams_closed) in [("proxy_on_grpc_close", 1), ("proxy_on_grpc_receive", 0)] {
        let callback = Fault::Callback {
            name: name.to_owned(),
            args: vec![ROOT, 6, 14],
        };
        let mut vm = connected(|vm| vm.proxy_mut().inject("proxy_grpc_send", callback));
        assert_eq!(vm.proxy().callback_results, [Some(0)], "{name}");
        vm.tick(ROOT).unwrap();
        let closed = vm.proxy().metric("riskgate.stream.closed");
        assert_eq!(closed, Some(streams_closed), "{name}");
    }
}

/// Contexts that the proxy never made, and such as it makes twice.
#[test]
fn no_context_traps() {
    let mut vm = fresh(module());
    let unknown = 77;
    vm.create_context(3, unknown).unwrap();
    for id in [3, unknown] {
        assert!(vm.configure(id, &configuration()).unwrap());
        vm.tick(id).unwrap();
        vm.grpc_receive(id, 1, b"\xff").unwrap();
        vm.grpc_close(id, 1, 14).unwrap();
        assert_eq!(vm.request_headers(id, &[], true).unwrap(), Action::Pause);
        let stream = vm.proxy_mut().http_stream(id);
        let response = stream.local_response.as_ref().unwrap();
        assert_eq!(response.status, 503, "no rules, no passage");
        vm.delete(id).unwrap();
    }
    for _ in 0..2 {
        vm.create_context(ROOT, 0).unwrap();
        vm.configure(ROOT, &configuration()).unwrap();
        vm.create_context(4, ROOT).unwrap();
    }
    assert_eq!(
        vm.request_headers(4, &[(b":path", b"/")], true).unwrap(),
        Action::Continue
    );
    vm.delete(ROOT).unwrap();
    assert_eq!(
        vm.request_headers(4, &[(b":path", b"/blocked")], true)
            .unwrap(),
        Action::Pause,
        "a request that outlives its root context is decided by its rules"
    );
    let answered = vm.proxy_mut().http_stream(4).local_response.take();
    assert_eq!(answered.unwrap().status, 403);
}

/// Memory that the VM is asked for outside of a call has no use.
#[test]
fn memory_is_given_for_answers_only() {
    let mut vm = fresh(module());
    let ask = Fault::Callback {
        name: "proxy_on_memory_allocate".to_owned(),
        args: vec![100],
    };
    vm.proxy_mut().inject("proxy_log", ask);
    vm.create_context(ROOT, 0).unwrap();
    vm.configure(ROOT, b"{").unwrap();
    assert_eq!(vm.proxy().callback_results, [Some(0)], "null");
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
    assert_eq!(vm.proxy().grpc_streams.len(), 1);
    vm
}
