//! `cargo xtask demo`: set up, build, and become the demo of `e2e/`, so that whoever stops this stops that.

use anyhow::Result;

use crate::{build, setup, shell::Command, workspace};

pub(crate) fn run(keep: bool) -> Result<()> {
    let ready = setup::run()?;
    build::filter()?;
    build::tools()?;
    let demo = workspace::target_dir().join("debug").join("demo");
    Command::new(demo)
        .args(keep.then_some("--keep"))
        .env("ENVOY", ready.envoy)
        .env("CARGO_TARGET_DIR", workspace::target_dir())
        .become_it()
}
