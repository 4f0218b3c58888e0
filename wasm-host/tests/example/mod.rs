//! The example filter, which is none of riskgate's.

use riskgate_wasm_host::{Module, Plugin, Request, Response};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

pub(crate) const NOW_NS: u64 = 1_800_000_000_000_000_000;

pub(crate) fn module() -> Arc<Module> {
    static MODULE: OnceLock<Arc<Module>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let wasm = std::fs::read(build()).unwrap();
        Arc::new(Module::new(&wasm).unwrap())
    });
    Arc::clone(module)
}

pub(crate) fn plugin(configuration: &str) -> Plugin {
    Plugin::new(module(), configuration.as_bytes())
}

pub(crate) fn request(what: &str) -> Request {
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    Request {
        headers: vec![
            pair(":method", "POST"),
            pair(":path", "/a"),
            pair(":authority", "shop.example"),
            pair("x-do", what),
        ],
        ..Request::default()
    }
}

pub(crate) fn response() -> Response {
    Response {
        headers: vec![
            (b":status".to_vec(), b"200".to_vec()),
            (b"server".to_vec(), b"upstream".to_vec()),
        ],
        body: vec![b"hi".to_vec()],
        ..Response::default()
    }
}

/// All values of a header.
pub(crate) fn values(headers: &[(Vec<u8>, Vec<u8>)], name: &str) -> Vec<String> {
    let named = headers.iter().filter(|(held, _)| *held == name.as_bytes());
    named
        .map(|(_, value)| String::from_utf8(value.clone()).unwrap())
        .collect()
}

fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "riskgate-wasm-host-example"])
        .args(["--target", "wasm32-wasip1", "--profile", "wasm"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the example does not build; if its target is missing, run `rustup target add wasm32-wasip1`:\n{errors}"
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut paths = messages
        .split('"')
        .filter(|text| text.ends_with("riskgate_wasm_host_example.wasm"));
    PathBuf::from(paths.next_back().expect("cargo names the module it built"))
}
