//! Where the things under test are.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// The Envoy to run: `$ENVOY`, or what `cargo xtask setup` unpacked.
pub fn envoy() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let versions = target_dir()?.join("envoy");
    let unpacked = std::fs::read_dir(&versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("envoy"))
        .find(|candidate| candidate.is_file());
    unpacked.with_context(|| {
        format!(
            "there is no Envoy below {}: run `cargo xtask setup`, or set ENVOY to the path of one",
            versions.display()
        )
    })
}

/// The filter as Envoy loads it.
pub(crate) fn filter() -> Result<PathBuf> {
    wasm_module("riskgate_filter")
}

/// A wasm module of the workspace, as it is shipped.
pub fn wasm_module(name: &str) -> Result<PathBuf> {
    built(
        &format!("wasm32-wasip1/wasm/{name}.wasm"),
        &format!(
            "cargo build -p {} --target wasm32-wasip1 --profile wasm",
            name.replace('_', "-")
        ),
    )
}

/// A program of the workspace.
pub fn program(name: &str) -> Result<PathBuf> {
    built(&format!("debug/{name}"), "cargo xtask build")
}

fn built(path: &str, command: &str) -> Result<PathBuf> {
    let built = target_dir()?.join(path);
    if !built.is_file() {
        bail!("there is no {}: run `{command}`", built.display());
    }
    Ok(built)
}

/// Where cargo builds to. A test runs from `target/debug/deps/`, the demo from `target/debug/`.
pub fn target_dir() -> Result<PathBuf> {
    let set: Option<OsString> = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    if let Some(dir) = set {
        return Ok(root().join(dir));
    }
    let program = std::env::current_exe().context("find this program")?;
    program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned)
        .with_context(|| {
            format!(
                "{} is not in a folder that cargo builds to",
                program.display()
            )
        })
}
