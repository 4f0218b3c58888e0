//! The filter as it is shipped, its configurations, and VMs to run it in.

use riskgate_wasm_host::{Module, Vm};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

pub(crate) mod bundle;

/// The module that `RISKGATE_FILTER_WASM` names, or else the one that cargo builds now.
pub(crate) fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(load)
}

pub(crate) fn load() -> Module {
    let path = std::env::var_os("RISKGATE_FILTER_WASM").map_or_else(build, PathBuf::from);
    let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Module::new(&wasm).unwrap()
}

fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--package",
            "riskgate-filter",
            "--target",
            "wasm32-wasip1",
            "--profile",
            "wasm",
        ])
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

/// A configuration; `more` follows the required keys.
pub(crate) fn configuration_with(more: &str) -> Vec<u8> {
    let key = bundle::trusted_key();
    format!(r#"{{"ruleset":"shop","trust":{{"keys":["{key}"]}}{more}}}"#).into_bytes()
}

/// A VM at the time when the bundles are issued.
pub(crate) fn fresh(module: &Module) -> Vm {
    let mut vm = Vm::new(module).unwrap();
    let proxy = vm.proxy_mut();
    proxy.now_ns = bundle::EPOCH_S * 1_000_000_000;
    let properties: [(&[u8], &[u8]); 4] = [
        (b"source\0address", b"192.0.2.1:5"),
        (b"connection\0mtls", &[1]),
        (b"xds\0node\0id", b"edge"),
        (b"request\0protocol", b"HTTP/2"),
    ];
    proxy.properties = properties
        .map(|(path, value)| (path.to_vec(), value.to_vec()))
        .into();
    vm
}
