//! The built filter and bodies: a good host's, which comes in any pieces, and a bad one's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

#[allow(dead_code, reason = "the other test binaries use the rest")]
mod filter;

use filter::{bundle, configuration_with, fresh, module};
use riskgate_wasm_host::{Action, Error, Fault, Vm};

const ROOT: u32 = 1;
const ID: u32 = 7;
const RULES: &str = r#"
rules:
  - { id: coupon, when: 'request.body.json["/coupon"] == "FREE100"', then: deny }
"#;
const EVIL: &[u8] = br#"{"coupon":"FREE100"}"#;
const GOOD: &[u8] = br#"{"coupon":"TEN"}"#;
const LIMIT: usize = 1_000;

fn vm() -> Vm {
    let mut vm = fresh(module());
    vm.create_context(ROOT, 0).unwrap();
    let bundle = bundle::base64_of(1, "", RULES);
    let more = format!(r#","bundle":"{bundle}","body_limit_bytes":{LIMIT}"#);
    assert!(vm.configure(ROOT, &configuration_with(&more)).unwrap());
    vm.tick(ROOT).unwrap();
    vm
}

fn begin(vm: &mut Vm) -> Result<Action, Error> {
    let headers: [(&[u8], &[u8]); 3] = [
        (b":method", b"POST"),
        (b":path", b"/"),
        (b"content-type", b"application/json"),
    ];
    vm.create_context(ID, ROOT)?;
    vm.request_headers(ID, &headers, false)
}

fn status(vm: &mut Vm) -> Option<u32> {
    let stream = vm.proxy_mut().http_stream(ID);
    stream.local_response.as_ref().map(|reply| reply.status)
}

fn end(vm: &mut Vm) -> Result<(), Error> {
    vm.done(ID)?;
    vm.log(ID)?;
    vm.delete(ID)
}

/// What becomes of a request whose body comes in these chunks.
fn post<'b>(vm: &mut Vm, chunks: impl Iterator<Item = &'b [u8]>) -> Action {
    assert_eq!(begin(vm).unwrap(), Action::Pause, "it waits for the body");
    let mut chunks = chunks.peekable();
    let mut action = Action::Pause;
    while let Some(chunk) = chunks.next() {
        action = vm.request_body(ID, chunk, chunks.peek().is_none()).unwrap();
        if chunks.peek().is_some() {
            assert_eq!(action, Action::Pause, "more of it comes");
        }
    }
    action
}

#[test]
fn a_body_is_decided_whole_however_it_is_cut() {
    let mut vm = vm();
    for (body, action, answer) in [
        (EVIL, Action::Pause, Some(403)),
        (GOOD, Action::Continue, None),
    ] {
        for len in 1..=body.len() {
            assert_eq!(post(&mut vm, body.chunks(len)), action, "chunks of {len}");
            assert_eq!(status(&mut vm), answer, "chunks of {len}");
            end(&mut vm).unwrap();
            if action == Action::Continue {
                let sent = &vm.proxy_mut().http_stream(ID).request.sent_body;
                assert_eq!(sent, body, "nothing of it is lost or doubled");
            }
        }
    }
}

#[test]
fn trailers_end_a_body() {
    let mut vm = vm();
    let trailers: [(&[u8], &[u8]); 1] = [(b"x-sum", b"1")];
    for (body, answer) in [(EVIL, Some(403)), (GOOD, None)] {
        begin(&mut vm).unwrap();
        assert_eq!(vm.request_body(ID, body, false).unwrap(), Action::Pause);
        vm.request_trailers(ID, &trailers).unwrap();
        assert_eq!(status(&mut vm), answer);
        end(&mut vm).unwrap();
    }
}

#[test]
fn a_body_beyond_the_limit_is_let_go_at_once() {
    let mut vm = vm();
    let long = [EVIL, &[b' '; LIMIT]].concat();
    begin(&mut vm).unwrap();
    assert_eq!(
        vm.request_body(ID, &long, false).unwrap(),
        Action::Continue,
        "its attributes are absent"
    );
    assert_eq!(vm.proxy_mut().http_stream(ID).request.sent_body, long);
    let unreadable = vm.proxy().metric("riskgate.bodies.unreadable");
    assert_eq!(unreadable, Some(1));
    end(&mut vm).unwrap();
}

#[test]
fn whatever_the_buffer_answers_the_vm_lives() {
    let pointer = |data, len| Fault::Pointer { data, len };
    let faults = [
        Fault::Status(1),
        Fault::Status(2),
        Fault::Status(6),
        Fault::Status(u32::MAX),
        Fault::Buffer(Vec::new()),
        Fault::Buffer(vec![b'['; 3 << 20]),
        Fault::Buffer(b"\xff\x00{".to_vec()),
        pointer(0, 0),
        pointer(0, 9),
        pointer(16, u32::MAX),
        pointer(u32::MAX - 3, 8),
    ];
    for fault in faults {
        let mut vm = vm();
        vm.proxy_mut()
            .inject("proxy_get_buffer_bytes", fault.clone());
        let action = post(&mut vm, EVIL.chunks(7));
        let answered = status(&mut vm);
        // It is refused, or goes on because there is no such body; it does not wait for ever.
        assert_eq!(action == Action::Pause, answered.is_some(), "{fault:?}");
        end(&mut vm).unwrap();
        vm.proxy_mut().heal("proxy_get_buffer_bytes");
        post(&mut vm, EVIL.chunks(7));
        assert_eq!(status(&mut vm), Some(403), "after {fault:?}");
    }
}

/// Bodies and trailers that no proxy would bring: without headers, after the end, and of nobody.
#[test]
fn no_order_of_body_callbacks_traps() {
    let trailers: [(&[u8], &[u8]); 1] = [(b"x", b"\xff")];
    let mut vm = vm();
    for id in [ID, ROOT, 0, 77, u32::MAX] {
        for end_of_stream in [false, true, true] {
            vm.request_body(id, EVIL, end_of_stream).unwrap();
            vm.request_trailers(id, &trailers).unwrap();
            vm.response_headers(id, &trailers, end_of_stream).unwrap();
            vm.response_body(id, EVIL, end_of_stream).unwrap();
            vm.response_trailers(id, &trailers).unwrap();
        }
        vm.log(id).unwrap();
    }
    assert_eq!(post(&mut vm, EVIL.chunks(3)), Action::Pause);
    vm.request_body(ID, GOOD, true).unwrap();
    vm.request_body(ID, GOOD, false).unwrap();
    vm.request_trailers(ID, &trailers).unwrap();
    assert_eq!(status(&mut vm), Some(403), "the first answer stands");
    end(&mut vm).unwrap();
    vm.request_body(ID, EVIL, true).unwrap();
}

/// A body callback inside of each call that a decision makes.
#[test]
fn a_body_inside_of_another_callback_does_not_trap() {
    for call in module().imports("env") {
        let mut vm = vm();
        let callback = Fault::Callback {
            name: "proxy_on_request_body".to_owned(),
            args: vec![ID, 20, 1],
        };
        vm.proxy_mut().inject(&call, callback);
        begin(&mut vm).unwrap();
        vm.request_body(ID, EVIL, true).unwrap();
        let results = &vm.proxy().callback_results;
        assert!(results.iter().all(Option::is_some), "{call}: {results:?}");
        vm.proxy_mut().heal(&call);
        end(&mut vm).unwrap();
    }
}
