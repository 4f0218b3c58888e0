//! `cargo xtask build`: the filter and the tools that go with it.

use anyhow::Result;

use crate::{
    setup::{self, WASM_TARGET},
    shell::{Command, step},
    workspace,
};

pub(crate) fn run() -> Result<()> {
    setup::run()?;
    filter()?;
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
    step("build the filter for wasm", || {
        Command::cargo()
            .args([
                "build",
                "--package",
                "riskgate-filter",
                "--target",
                WASM_TARGET,
                "--profile",
                "wasm",
            ])
            .run()
    })
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
