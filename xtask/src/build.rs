//! `cargo xtask build`: the filters and the tools that go with it.

use anyhow::Result;

use crate::{
    setup::{self, WASM_TARGET},
    shell::{Command, step},
    workspace,
};

pub(crate) fn run() -> Result<()> {
    setup::run()?;
    modules()?;
    tools()?;
    let target = workspace::target_dir();
    println!(
        "filter: {}",
        target
            .join("wasm32-wasip1/wasm/riskgate_filter.wasm")
            .display()
    );
    println!("tools:  {}", target.join("debug").display());
    Ok(())
}

/// The filter, to `target/wasm32-wasip1/wasm/riskgate_filter.wasm`.
pub(crate) fn filter() -> Result<()> {
    step("build the filter for wasm", || module("riskgate-filter"))
}

/// The filter, the example of one that knows more of a request beside it, and what tests put into Envoy.
pub(crate) fn modules() -> Result<()> {
    filter()?;
    step("build the example of a custom filter for wasm", || {
        module("riskgate-custom-filter")
    })?;
    step("build the example of the wasm host for wasm", || {
        module("riskgate-wasm-host-example")
    })?;
    step("build the modules of the end-to-end tests for wasm", || {
        module("riskgate-neighbour")?;
        module("riskgate-trapping-filter")
    })
}

fn module(package: &str) -> Result<()> {
    Command::cargo()
        .args(["build", "--package", package, "--target", WASM_TARGET])
        .args(["--profile", "wasm"])
        .run()
}

/// `rulec`, `rule-pusher` and the demo, to `target/debug/`.
pub(crate) fn tools() -> Result<()> {
    step("build rulec, rule-pusher and the demo", || {
        Command::cargo()
            .args([
                "build",
                "--bins",
                "--package",
                "riskgate-compiler",
                "--package",
                "riskgate-pusher",
                "--package",
                "riskgate-e2e",
            ])
            .run()
    })
}
