//! `cargo xtask soak`: set up, build, and become the soak of `e2e/`.

use anyhow::Result;

use crate::{build, setup, shell::Command, workspace};

pub(crate) fn run(options: &[&str]) -> Result<()> {
    let ready = setup::run()?;
    build::modules()?;
    build::tools()?;
    let soak = workspace::target_dir().join("debug").join("soak");
    Command::new(soak)
        .args(options)
        .env("ENVOY", ready.envoy)
        .env("CARGO_TARGET_DIR", workspace::target_dir())
        .become_it()
}
