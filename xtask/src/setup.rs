//! `cargo xtask setup`: what building and testing need beside rustup and python3.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    envoy,
    shell::{Command, step},
};

/// The target that the filter is built for.
pub(crate) const WASM_TARGET: &str = "wasm32-wasip1";

/// What was set up.
pub(crate) struct Ready {
    /// The Envoy to run.
    pub(crate) envoy: PathBuf,
}

pub(crate) fn run() -> Result<Ready> {
    step("the wasm target", add_wasm_target)?;
    let envoy = step("Envoy", envoy::provide)?;
    Ok(Ready { envoy })
}

/// What `cargo xtask test` runs beside the compiler; rustup's minimal profile leaves it out.
pub(crate) fn add_components() -> Result<()> {
    for (component, verb) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if Command::cargo().args([verb, "--version"]).succeeds()? {
            continue;
        }
        let added = Command::new("rustup").args(["component", "add", component]);
        added.run().with_context(|| {
            format!(
                "`cargo {verb}` is missing: install rustup (https://rustup.rs), or let your package manager add {component}"
            )
        })?;
    }
    Ok(())
}

/// A rust-toolchain.toml that lists the target does not install it where RUSTUP_AUTO_INSTALL=0, so rustup is asked.
pub(crate) fn add_wasm_target() -> Result<()> {
    if wasm_target_is_installed() {
        return Ok(());
    }
    if !Command::new("rustup").arg("--version").succeeds()? {
        bail!(
            "the toolchain has no target {WASM_TARGET}, and there is no rustup to add it: install rustup \
             (https://rustup.rs), or let your package manager add the standard library for {WASM_TARGET}"
        );
    }
    Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .run()
}

fn wasm_target_is_installed() -> bool {
    Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .is_ok_and(|libdir| Path::new(libdir.trim()).is_dir())
}
