//! The filter as it is shipped, and a configuration that lets it use every call it has.

use riskgate_wasm_host::Module;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

pub(crate) mod bundle;

/// The module that `RISKGATE_FILTER_WASM` names, or else the one that cargo builds now.
pub(crate) fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(load)
}

fn load() -> Module {
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

/// A configuration with a bundle and a push service.
pub(crate) fn configuration() -> Vec<u8> {
    let (key, bundle) = (bundle::trusted_key(), bundle::base64());
    format!(
        r#"{{"ruleset":"shop","trust":{{"keys":["{key}"]}},"push":{{"cluster":"pusher"}},"bundle":"{bundle}",
            "client_ip":{{"trusted_hops":1}}}}"#
    )
    .into_bytes()
}
