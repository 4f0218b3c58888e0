//! `cargo xtask test`: everything CI checks, the quick checks first.

use std::path::Path;

use anyhow::Result;

use crate::{
    build, deny,
    setup::{self, WASM_TARGET},
    shell::{Command, step},
    tidy, workspace,
};

/// The filter, what benchmarks compare it with, and the example of the wasm host link for wasm only, so every native step
/// leaves them out. All of these name the same packages: another selection would unite other features and compile the
/// dependencies once more.
const NATIVE: [&str; 17] = [
    "--workspace",
    "--exclude",
    "riskgate-filter",
    "--exclude",
    "riskgate-filter-abi",
    "--exclude",
    "riskgate-custom-filter",
    "--exclude",
    "riskgate-empty-filter",
    "--exclude",
    "riskgate-engine-probe",
    "--exclude",
    "riskgate-wasm-host-example",
    "--exclude",
    "riskgate-neighbour",
    "--exclude",
    "riskgate-trapping-filter",
];

pub(crate) fn run() -> Result<()> {
    step("rustfmt and clippy", setup::add_components)?;
    step("format", || {
        Command::cargo().args(["fmt", "--all", "--check"]).run()
    })?;
    tidy::run()?;
    let ready = setup::run()?;
    step("lints", lints)?;
    step("lints of the wasm modules", lints_of_modules)?;
    build::modules()?;
    step("tests", || tests(&ready.envoy))?;
    deny::run()
}

fn lints() -> Result<()> {
    Command::cargo()
        .arg("clippy")
        .args(NATIVE)
        .args(["--all-targets", "--", "--deny", "warnings"])
        .run()
}

fn lints_of_modules() -> Result<()> {
    Command::cargo()
        .args([
            "clippy",
            "--package",
            "riskgate-filter",
            "--package",
            "riskgate-filter-abi",
            "--package",
            "riskgate-custom-filter",
            "--package",
            "riskgate-empty-filter",
            "--package",
            "riskgate-engine-probe",
            "--package",
            "riskgate-wasm-host-example",
            "--package",
            "riskgate-neighbour",
            "--package",
            "riskgate-trapping-filter",
            "--target",
            WASM_TARGET,
            "--profile",
            "wasm",
        ])
        .args(["--", "--deny", "warnings"])
        .run()
}

fn tests(envoy: &Path) -> Result<()> {
    Command::cargo()
        .arg("test")
        .args(NATIVE)
        .env("ENVOY", envoy)
        .env("CARGO_TARGET_DIR", workspace::target_dir())
        .run()
}
