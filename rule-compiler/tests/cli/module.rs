//! `rulec test --wasm`: the same tests, in the filter's module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::rulec::{Outcome, Workshop, run_in};

/// The module that `RISKGATE_FILTER_WASM` names, or else the one that cargo builds now.
fn module() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        std::env::var_os("RISKGATE_FILTER_WASM").map_or_else(build_module, PathBuf::from)
    })
}

fn build_module() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "riskgate-filter"])
        .args(["--target", "wasm32-wasip1", "--profile", "wasm"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the filter does not build; if its target is missing, run `rustup target add wasm32-wasip1`:\n{errors}"
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut paths = messages
        .split('"')
        .filter(|text| text.ends_with("riskgate_filter.wasm"));
    PathBuf::from(paths.next_back().expect("cargo names the module it built"))
}

fn in_module(folder: &Path, args: &str) -> Outcome {
    let module = module().display();
    run_in(folder, &format!("{args} --wasm {module}"))
}

#[test]
fn the_tests_of_the_examples_pass_in_the_module() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/rulesets");
    let mut tested = 0;
    for example in fs::read_dir(&examples).unwrap() {
        let example = example.unwrap().path();
        if example.join("tests").is_dir() {
            let native = run_in(&example, "test . --format json").expect(0, "");
            let found = in_module(&example, "test . --format json");
            assert_eq!(found.expect(0, ""), native, "{}", example.display());
            tested += 1;
        }
    }
    assert_eq!(tested, 4);
}

const RULESET: &str = r#"
language: 1
ruleset: shop
on_expired: deny
ttl: 1h
score_bands: [{ at_least: 10, then: { challenge: {} } }]
counters:
  taps: { key: [client.ip], count_when: request.url_path == "/tap", window: 8s }
  devices: { key: [source.ip], distinct: 'request.headers["x-device"]', window: 1m }
  failures: { key: ['request.headers["x-account"]'], count_when: response.code == 401, window: 5m }
  hints: { key: ['request.headers["x-account"]'], count_when: 'response.headers["x-hint"] == "bad"', window: 5m }
"#;

/// Every attribute that a host tells, every part of a verdict, and counters of every kind.
const RULES: &str = r#"
rules:
  - { id: taps, when: counters.taps > 2, then: { deny: { status: 429, headers: { retry-after: "8" }, body: slow } } }
  - { id: devices, when: counters.devices > 1, then: { tag: { devices: many } } }
  - { id: failures, when: counters.failures > 1, then: deny }
  - { id: hints, when: counters.hints > 0, then: { challenge: { redirect: "https://v.example/?r={request.path}" } } }
  - { id: client, when: 'client.ip in ["203.0.113.0/24"]', then: { score: 4 } }
  - { id: peer, when: 'source.ip in ["10.0.0.0/8"]', then: { score: 6 } }
  - { id: mesh, when: 'connection.mtls && connection.uri_san_peer_certificate == "spiffe://a"', then: { tag: { mesh: a } } }
  - { id: certificate, when: connection.subject_peer_certificate == "CN=a", then: { tag: { subject: a } } }
  - { id: tls, when: connection.tls_version == "TLSv1.3" && connection.requested_server_name == "shop", then: { tag: { tls: "13" } } }
  - { id: claims, when: 'auth.claims["sub"] == "42"', then: { tag: { user: "42" } } }
  - { id: plumbing, when: request.protocol == "HTTP/2" && request.id == "r1" && request.method == "PUT", then: { tag: { http: "2" } } }
  - { id: names, when: request.scheme == "https" && request.hostname == "shop.example", then: { tag: { site: shop } } }
  - { id: night, active: { from: 2026-01-01T00:01:00Z, until: 2026-01-01T02:00:00Z }, when: true, then: { score: 1 } }
  - { id: clock, when: request.time >= timestamp("2026-01-01T01:00:00Z"), then: { tag: { hour: one } } }
  - { id: shadowed, stage: shadow, when: request.url_path == "/shadow", then: deny }
  - { id: bytes, when: 'request.headers["x-raw"].contains("\\xff")', then: { score: 10, tag: { raw: "1" } } }
  - { id: forged, when: 'has(request.headers["x-risk-score"]) || request.headers["x_risk_tag_vip"] == "1"', then: deny }
  - { id: odd-json, when: 'request.body.json["/kind"] == "odd"', then: { deny: { status: 422 } } }
  - { id: odd-form, when: 'request.body.form["kind"] == "odd"', then: { deny: { status: 409 } } }
  - { id: some, stage: canary, canary: { percent: 50, by: [client.ip] }, when: request.url_path == "/canary", then: deny }
"#;

/// No verdict has a score of 9,999: every request fails, and its verdict is shown.
const TESTS: &str = r#"
tests:
  - name: connections
    sequence:
      - { request: { path: /, source_ip: 10.1.1.1, client_ip: 203.0.113.7 }, expect: { score: 9999 } }
      - { request: { path: /, source_ip: 10.1.1.1, client_ip: 198.51.100.7 }, expect: { score: 9999 } }
      - { request: { path: /, source_ip: 203.0.113.8, client_ip: 10.1.1.1 }, expect: { score: 9999 } }
      - { request: { path: /, source_ip: "2001:db8::1" }, expect: { score: 9999 } }
      - { request: { path: /, source_ip: 10.1.1.2, headers: [[x-forwarded-for, "6.6.6.6, 203.0.113.9"]] }, expect: { score: 9999 } }
      - { request: { path: /, source_ip: 10.1.1.2, client_ip: 203.0.113.9, headers: { x-forwarded-for: 203.0.113.9 } }, expect: { score: 9999 } }
      - { request: { path: /, peer_uri_san: "spiffe://a", peer_subject: CN=a }, expect: { score: 9999 } }
      - { request: { path: /, peer_subject: CN=a, tls_version: TLSv1.3, server_name: shop, claims: { sub: "42", iss: x } }, expect: { score: 9999 } }
      - { request: { path: /, method: PUT, protocol: HTTP/2, id: r1, scheme: https, host: "Shop.example:8443" }, expect: { score: 9999 } }
      - { request: { path: /shadow }, expect: { score: 9999 } }
      - { request: { path: /, headers: [{ name: x-raw, value_b64: /w== }] }, expect: { score: 9999 } }
      - { request: { path_b64: L/8= }, expect: { score: 9999 } }
      - { request: { path: /, headers: { x-risk-score: "1", x-risk-tag-vip: "1", x_risk_tag_vip: "1" } }, expect: { score: 9999 } }
  - name: bodies
    sequence:
      - { request: { path: /, body: '{"kind":"odd"}' }, expect: { score: 9999 } }
      - { request: { path: /, body: '{"kind":"plain"}' }, expect: { score: 9999 } }
      - { request: { path: /, body: '{"kind":' }, expect: { score: 9999 } }
      - { request: { path: /, body: 'kind=odd&n=1' }, expect: { score: 9999 } }
      - { request: { path: /, body: 'kind=odd', headers: { content-encoding: gzip } }, expect: { score: 9999 } }
      - { request: { path: /, body: '' }, expect: { score: 9999 } }
      - { request: { path: /shadow, body: LONG }, expect: { score: 9999 } }
  - name: canaries
    sequence:
      - { request: { path: /canary, client_ip: 192.0.2.1 }, expect: { score: 9999 } }
      - { request: { path: /canary, client_ip: 192.0.2.2 }, expect: { score: 9999 } }
      - { request: { path: /canary, client_ip: 192.0.2.3 }, expect: { score: 9999 } }
      - { request: { path: /canary, client_ip: 192.0.2.4 }, expect: { score: 9999 } }
  - name: a window slides
    sequence:
      - { repeat: 3, every: 500ms, request: { path: /tap }, expect: { action: allow, score: 9999 } }
      - { every: 6s, request: { path: /tap }, expect: { score: 9999 } }
      - { every: 500ms, request: { path: /tap }, expect: { score: 9999 } }
      - { every: 7s, request: { path: / }, expect: { score: 9999 } }
      - { request: { path: / }, expect: { score: 9999 } }
  - name: different values
    sequence:
      - { every: 1s, request: { path: /, headers: { x-device: a } }, expect: { score: 9999 } }
      - { every: 1s, request: { path: /, headers: { x-device: a } }, expect: { score: 9999 } }
      - { every: 58s, request: { path: /, headers: { x-device: b } }, expect: { score: 9999 } }
      - { every: 1h, request: { path: / }, expect: { score: 9999 } }
      - { request: { path: / }, expect: { score: 9999 } }
  - name: what was answered
    sequence:
      - { repeat: 2, every: 1s, request: { path: /, headers: { x-account: a }, response_code: 401 }, expect: { score: 9999 } }
      - { request: { path: /, headers: { x-account: a }, response_code: 200 }, expect: { score: 9999 } }
      - { request: { path: /, headers: { x-account: b }, response_code: 200, response_headers: { x-hint: bad } }, expect: { score: 9999 } }
      - { request: { path: "/q?a=1", headers: { x-account: b } }, expect: { score: 9999 } }
      - { request: { path: /, headers: { x-account: c } }, expect: { score: 9999 } }
      - { request: { path: /, headers: { x-account: c } }, expect: { score: 9999 } }
"#;

fn shop() -> Workshop {
    let workshop = Workshop::empty();
    workshop.write("shop/ruleset.yaml", RULESET);
    workshop.write("shop/main.rules.yaml", RULES);
    // Comes in several pieces.
    let long = format!("x={}&kind=odd", "y".repeat(100_000));
    workshop.write("shop/tests/shop.test.yaml", TESTS.replace("LONG", &long));
    workshop
}

/// Every verdict of a report whose tests all fail, with its place.
fn verdicts(report: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(report).unwrap();
    let failures = report["tests"].as_array().unwrap().iter();
    let failures = failures.flat_map(|test| test["failures"].as_array().unwrap().clone());
    failures
        .map(|mut failure| {
            assert!(failure["failed"] == failure["repeat"], "{failure}");
            failure["verdict"].take()
        })
        .collect()
}

#[test]
fn the_module_and_the_engine_give_the_same_verdicts() {
    let workshop = shop();
    let native = workshop.run("test shop --format json").expect(1, "");
    let found = in_module(&workshop.path(""), "test shop --format json");
    let mut native = verdicts(&native);
    let found = verdicts(&found.expect(1, ""));
    assert_eq!(native.len(), 40);
    for verdict in &mut native {
        if verdict["action"] != "allow" {
            // The filter tells them to the upstream only.
            verdict.as_object_mut().unwrap().remove("tags");
        }
    }
    assert_eq!(found, native);
    // Each part of a verdict was something else than usual in some of them.
    for (key, value) in [
        ("action", "challenge".into()),
        ("status", 429.into()),
        ("rule", "odd-json".into()),
        ("rule", "odd-form".into()),
        ("rule", "hints".into()),
        ("band", 10.into()),
        ("score", 10.into()),
        ("matched", json!(["devices"])),
        ("matched", json!(["night", "clock"])),
        ("shadowed", json!(["shadowed"])),
        ("would", "deny".into()),
    ] {
        let has_it = |verdict: &Value| verdict[key] == value;
        assert!(
            found.iter().any(has_it),
            "{key} is never {value}: {found:#?}"
        );
    }
}

#[test]
fn what_the_module_does_not_show_is_not_passed_over() {
    let workshop = shop();
    let tests = r#"tests:
  - name: tags of a refused request
    request: { path: /, source_ip: 10.1.1.1, client_ip: 203.0.113.7 }
    expect: { action: challenge, tags: { nobody: knows } }
  - name: tags of a request that passes
    request: { path: /, claims: { sub: "42" } }
    expect: { tags: { user: "42" } }
"#;
    workshop.write("shop/tests/shop.test.yaml", tests);
    let folder = workshop.path("");
    let said = in_module(&folder, "test shop").expect(0, "1 expectation of `tags` was not checked");
    assert_eq!(said, "shop: 2 tests, all passed\n");
    workshop.run("test shop").expect(1, "");
}

#[test]
fn what_no_host_can_say_is_told_with_its_place() {
    let workshop = shop();
    let refused = |request: &str, words: &str| {
        let tests =
            format!("tests:\n  - {{ name: a, request: {request}, expect: {{ score: 0 }} }}\n");
        workshop.write("shop/tests/shop.test.yaml", tests);
        let found = in_module(&workshop.path(""), "test shop");
        assert_eq!(found.expect(2, words), "");
    };
    refused(
        "{ path: /, time: 1969-12-31T23:59:59Z }",
        "tests/shop.test.yaml:2: a module's clock goes from 1970",
    );
    let more = r#"  - { id: chain, when: 'has(request.headers["x-forwarded-for"])', then: deny }"#;
    workshop.write("shop/main.rules.yaml", format!("{RULES}{more}\n"));
    refused(
        "{ path: /, source_ip: 10.1.1.1, client_ip: 192.0.2.1 }",
        "let the header end with that address",
    );
}

/// It has the ABI's version and an allocator, and no callback: types, functions, exports and code.
const IDLE_MODULE: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x09\x02\x60\0\0\x60\x01\x7f\x01\x7f\
    \x03\x03\x02\0\x01\
    \x07\x24\x02\x17proxy_abi_version_0_2_1\0\0\x06malloc\0\x01\
    \x0a\x09\x02\x02\0\x0b\x04\0\x41\0\x0b";

#[test]
fn what_is_no_filter_is_told_once() {
    let workshop = shop();
    workshop.write("empty.wasm", b"\0asm\x01\0\0\0");
    workshop.write("idle.wasm", IDLE_MODULE);
    workshop.write("torn.wasm", b"\0asm\x01\0\0\0\x01\xff");
    workshop.write("text.wasm", "language: 1");
    let refused = |module: &str, words: &str| {
        let found = workshop.run(&format!("test shop --wasm {module}"));
        let errors = found
            .stderr
            .lines()
            .filter(|line| line.starts_with("error"));
        assert_eq!(errors.count(), 1, "{}", found.stderr);
        assert_eq!(found.expect(2, words), "");
    };
    refused("absent.wasm", "cannot read module `absent.wasm`");
    refused("shop", "give a file, not a folder");
    refused(
        "text.wasm",
        "it is no wasm module; give the riskgate_filter.wasm",
    );
    refused("torn.wasm", "the module cannot be used");
    refused("empty.wasm", "it exports neither `proxy_abi_version");
    refused("idle.wasm", "it does not decide by the ruleset; give");
    workshop
        .run("test shop --wasm empty.wasm --coverage")
        .expect(2, "cannot be used with");
}
