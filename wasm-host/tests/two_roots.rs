//! Root contexts of one VM, as a proxy makes them when a plugin configuration changes: the new one before the old one goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod filter;

use filter::{bundle, configuration_with, fresh, module};
use riskgate_wasm_host::{Action, Fault, Vm};

const OLD: u32 = 1;
const NEW: u32 = 2;
/// The public key of RFC 8032, section 7.1, test 1.
const ADDED_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn begin(vm: &mut Vm, root: u32, more: &str) {
    begin_with(vm, root, &configuration_with(more));
}

fn begin_with(vm: &mut Vm, root: u32, configuration: &[u8]) {
    vm.create_context(root, 0).unwrap();
    assert!(vm.start(root).unwrap());
    assert!(vm.configure(root, configuration).unwrap());
}

fn end(vm: &mut Vm, root: u32) {
    assert!(vm.done(root).unwrap());
    vm.delete(root).unwrap();
}

fn with_bundle(revision: u64) -> String {
    format!(r#","bundle":"{}""#, bundle::base64(revision))
}

/// What becomes of a request to `path`, and the revision that decided it.
fn request(vm: &mut Vm, root: u32, path: &str) -> (Action, String) {
    let id = 100;
    vm.create_context(id, root).unwrap();
    let action = vm
        .request_headers(id, &[(b":path", path.as_bytes())], true)
        .unwrap();
    vm.done(id).unwrap();
    vm.delete(id).unwrap();
    let properties = &vm.proxy_mut().http_stream(id).set_properties;
    let revision = properties.get(&b"riskgate.revision"[..]);
    let revision = revision.map_or(&b"none"[..], |revision| revision);
    (action, String::from_utf8(revision.to_vec()).unwrap())
}

fn metric(vm: &Vm, name: &str) -> i64 {
    vm.proxy().metric(name).unwrap()
}

#[test]
fn a_new_root_context_is_served_at_once_and_after_the_old_one_has_gone() {
    let mut vm = fresh(module());
    begin(&mut vm, OLD, &with_bundle(5));
    vm.tick(OLD).unwrap();
    begin(&mut vm, NEW, r#","jwt_payload_key":"other""#);
    assert_eq!(
        request(&mut vm, NEW, "/blocked"),
        (Action::Pause, "5".to_owned())
    );
    end(&mut vm, OLD);
    assert_eq!(
        request(&mut vm, NEW, "/blocked"),
        (Action::Pause, "5".to_owned())
    );
    assert_eq!(metric(&vm, "riskgate.decisions.missing"), 0);
}

#[test]
fn an_older_configured_bundle_is_refused() {
    let mut vm = fresh(module());
    begin(&mut vm, OLD, &with_bundle(5));
    vm.tick(OLD).unwrap();
    begin(&mut vm, NEW, &with_bundle(3));
    end(&mut vm, OLD);
    vm.tick(NEW).unwrap();
    assert_eq!(
        request(&mut vm, NEW, "/blocked"),
        (Action::Pause, "5".to_owned())
    );
    assert_eq!(metric(&vm, "riskgate.loads.refused"), 1);
    let log = format!("{:?}", vm.proxy().log);
    assert!(log.contains("refused (older-revision)"), "{log}");
}

#[test]
fn an_added_key_drops_nothing_and_lets_nothing_older_in() {
    let mut vm = fresh(module());
    begin(&mut vm, OLD, &with_bundle(5));
    vm.tick(OLD).unwrap();
    let configuration = String::from_utf8(configuration_with(&with_bundle(3))).unwrap();
    let with_key = format!(r#""keys":["{ADDED_KEY}","#);
    let configuration = configuration.replace(r#""keys":["#, &with_key);
    begin_with(&mut vm, NEW, configuration.as_bytes());
    end(&mut vm, OLD);
    assert_eq!(
        request(&mut vm, NEW, "/blocked"),
        (Action::Pause, "5".to_owned())
    );
    assert_eq!(metric(&vm, "riskgate.loads.refused"), 1);
}

#[test]
fn what_no_root_context_uses_is_let_go() {
    let mut vm = fresh(module());
    begin(&mut vm, OLD, &with_bundle(5));
    vm.tick(OLD).unwrap();
    assert_eq!(
        request(&mut vm, OLD, "/blocked"),
        (Action::Pause, "5".to_owned())
    );
    end(&mut vm, OLD);
    let shared_data = vm.proxy().shared_data.clone();
    for key in shared_data.keys() {
        shared_data.remove(&key);
    }
    begin(&mut vm, NEW, "");
    assert_eq!(
        request(&mut vm, NEW, "/blocked"),
        (Action::Continue, "none".to_owned())
    );
}

#[test]
fn what_no_root_context_uses_is_found_in_shared_data() {
    let mut vm = fresh(module());
    begin(&mut vm, OLD, &with_bundle(5));
    vm.tick(OLD).unwrap();
    end(&mut vm, OLD);
    begin(&mut vm, NEW, "");
    assert_eq!(
        request(&mut vm, NEW, "/blocked"),
        (Action::Pause, "5".to_owned())
    );
}

#[test]
fn a_request_inside_of_another_callback_is_answered() {
    for (root, more) in [(OLD, "the same root context"), (NEW, "another one")] {
        let mut vm = fresh(module());
        begin(&mut vm, OLD, r#","push":{"cluster":"pusher"}"#);
        begin(&mut vm, NEW, "");
        vm.create_context(100, root).unwrap();
        let request = Fault::Callback {
            name: "proxy_on_request_headers".to_owned(),
            args: vec![100, 0, 1],
        };
        vm.proxy_mut().inject("proxy_grpc_send", request);
        vm.tick(OLD).unwrap();
        assert_eq!(vm.proxy().callback_results, [Some(1)], "{more}: it waits");
        let response = vm.proxy_mut().http_stream(100).local_response.take();
        let response = response.expect(more);
        assert_eq!(response.status, 503, "{more}");
        assert_eq!(metric(&vm, "riskgate.request_errors"), 1, "{more}");
    }
}
