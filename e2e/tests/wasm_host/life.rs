//! The callbacks of a life: the same ones, with the same numbers, in the same order as in Envoy.

use crate::listeners::{Listeners, wait_for_drain};
use crate::trace;
use riskgate_e2e::{Connection, Envoy, Request, Scenario, Stage};
use riskgate_wasm_host::{
    ExchangeOptions, FailurePolicy, Module, Outcome, Plugin, PluginId, Response, Server, Vm,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const BODY: &str = "0123456789";

/// Without a body, with one whose length is told, and with one whose end is.
fn requests() -> Vec<Vec<u8>> {
    let head = |method: &str, more: &str| {
        format!("{method} / HTTP/1.1\r\nhost: shop.example\r\nuser-agent: x\r\n{more}\r\n")
    };
    vec![
        head("GET", "").into_bytes(),
        (head("POST", "content-length: 10\r\n") + BODY).into_bytes(),
        (head("POST", "transfer-encoding: chunked\r\n") + "a\r\n" + BODY + "\r\n0\r\n\r\n")
            .into_bytes(),
    ]
}

#[test]
fn callbacks_come_in_envoys_order() {
    let stage = Stage::new().unwrap();
    let envoy = stage.envoy(scenario(&stage)).unwrap();
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    for request in requests() {
        connection.write(&request).unwrap();
        assert_eq!(connection.read().unwrap().status, 200);
    }
    // An exchange is over for certain when the next one begins.
    assert_eq!(connection.send(&Request::get("/")).unwrap().status, 200);
    let [mut lines, _] = of_workers(&stage, &envoy);
    let next = lines.iter().rposition(|line| line.contains("create"));
    lines.truncate(next.unwrap());

    let (mut server, plugin) = server(FailurePolicy::Reload);
    // Over HTTP/1, the end of a body comes by itself.
    for body in [vec![], vec![BODY, ""], vec![BODY, ""]] {
        let outcome = exchange(&mut server, plugin, &body, 0);
        assert_eq!(outcome.status(), Some(200));
    }
    let host = callbacks(server.vm(plugin, 1).unwrap());
    assert!(host.iter().any(|line| line.contains("request_body")));
    assert_eq!(lines, host);
}

#[test]
fn a_trap_and_another_configuration_bring_about_what_they_do_in_envoy() {
    let stage = Stage::new().unwrap();
    let mut listeners = Listeners::new(&stage);
    let closed = scenario(&stage).edit(|text| {
        assert!(text.contains("FAIL_RELOAD"));
        text.replace("FAIL_RELOAD", "FAIL_CLOSED")
    });
    let envoy = stage.envoy(listeners.of(closed)).unwrap();
    let address = envoy.listener("direct").unwrap();
    let mut connection = Connection::open(address, None).unwrap();
    assert_eq!(connection.send(&Request::get("/")).unwrap().status, 200);
    let many = (0..=trace::HEADERS_MAX).fold(Request::get("/"), |request, number| {
        request.header(&format!("x-{number}"), "")
    });
    for request in [many, Request::get("/")] {
        assert_eq!(connection.send(&request).unwrap().status, 503);
    }
    listeners.configure(&envoy, "jwt_payload_key", "other");
    wait_for_drain(&envoy);
    for _ in 0..20 {
        // On any worker.
        let mut connection = Connection::open(address, None).unwrap();
        assert_eq!(connection.send(&Request::get("/")).unwrap().status, 200);
    }
    let from_envoy = of_workers(&stage, &envoy);

    let (mut server, plugin) = server(FailurePolicy::Closed);
    let many = trace::HEADERS_MAX + 1;
    for (more, status) in [(0, 200), (many, 503), (0, 503)] {
        let outcome = exchange(&mut server, plugin, &[], more);
        assert_eq!(outcome.status(), Some(status));
    }
    let before = callbacks(server.vm(plugin, 1).unwrap());
    server.reconfigure(plugin, b"{\"other\":1}").unwrap();
    let after = callbacks(server.vm(plugin, 1).unwrap());
    let idle = callbacks(server.vm(plugin, 2).unwrap());
    let host = [[before, after].concat(), idle];
    for (envoy, host) in from_envoy.iter().zip(host) {
        // What comes behind are the requests on any worker.
        assert_eq!(envoy[..host.len()], host);
    }
}

/// A shipped bootstrap with the module that tells of its callbacks.
fn scenario(stage: &Stage) -> Scenario {
    let path = stage.folder().join("trace.wasm");
    std::fs::write(&path, trace::module()).unwrap();
    let scenario = stage.scenario("static", "shop").unwrap();
    scenario.set("WASM", path.display()).set("BUNDLE", "")
}

/// The callbacks on each of Envoy's two workers, first of that which had the first request.
fn of_workers(stage: &Stage, envoy: &Envoy) -> [Vec<String>; 2] {
    let folder = std::fs::read_dir(stage.folder()).unwrap();
    let log = folder
        .map(|entry| entry.unwrap().path().join("envoy.log"))
        .find(|path| path.is_file())
        .unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    let mut by_thread: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut first = None;
    for line in log.lines() {
        if let Some((head, callback)) = line.split_once(trace::MARK) {
            // [time][thread][level]…
            let thread = head.split(['[', ']']).nth(3).unwrap().parse().unwrap();
            by_thread.entry(thread).or_default().push(normal(callback));
            if callback.contains("request") {
                first.get_or_insert(thread);
            }
        }
    }
    // The main thread has the process's own number.
    by_thread.remove(&envoy.process_id());
    let first = by_thread.remove(&first.unwrap()).unwrap();
    assert_eq!(by_thread.len(), 1);
    [first, by_thread.into_values().next().unwrap()]
}

fn server(policy: FailurePolicy) -> (Server, PluginId) {
    let mut server = Server::new(2, 1_800_000_000_000_000_000);
    let module = Module::new(&trace::module()).unwrap();
    let mut plugin = Plugin::new(Arc::new(module), b"{}");
    plugin.failure_policy = policy;
    plugin.options = ExchangeOptions {
        allow_on_headers_stop_iteration: true,
        buffer_limit_bytes: None,
    };
    let plugin = server.install(plugin).unwrap();
    (server, plugin)
}

/// A request with so many more headers.
fn exchange(server: &mut Server, plugin: PluginId, body: &[&str], more: usize) -> Outcome {
    let pieces = body.iter().map(|piece| piece.as_bytes().to_vec());
    let more = (0..more).map(|number| (format!("x-{number}").into_bytes(), Vec::new()));
    let headers = std::iter::once((b":path".to_vec(), b"/".to_vec()));
    let request = riskgate_wasm_host::Request {
        headers: headers.chain(more).collect(),
        body: pieces.collect(),
        ..Default::default()
    };
    server.exchange(plugin, 1, request, |_| Response {
        headers: vec![(b":status".to_vec(), b"200".to_vec())],
        body: vec![b"seen".to_vec(), Vec::new()],
        ..Response::default()
    })
}

fn callbacks(vm: &Vm) -> Vec<String> {
    let lines = vm.proxy().log.iter();
    lines
        .filter_map(|(_, line)| line.strip_prefix(trace::MARK))
        .map(normal)
        .collect()
}

/// Without the numbers that are the configuration's, the upstream's and Envoy's own headers': how many there are.
fn normal(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let is_counted = ["configure", "request_headers", "response_headers"]
        .iter()
        .any(|name| words[0].ends_with(name));
    let is_of_upstream = words[0].ends_with("response_body") && words[2] != "00000000";
    if is_counted || is_of_upstream {
        words[2] = "*";
    }
    words.join(" ")
}
