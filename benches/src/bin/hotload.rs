//! `hotload`: how soon new rules serve in a real Envoy; see [`riskgate_benches::envoy::hotload`].

use anyhow::{Context as _, Result};
use riskgate_benches::envoy::hotload::{Options, run};
use riskgate_benches::record::Run;

/// Names the build of the push service to run; `cargo xtask bench hotload` sets it.
const PUSHER_VARIABLE: &str = "RISKGATE_PUSHER";

fn main() -> Result<()> {
    let pusher = std::env::var_os(PUSHER_VARIABLE);
    let pusher =
        pusher.context("RISKGATE_PUSHER names no program: use `cargo xtask bench hotload`")?;
    run(&Options::of(Run::from_env(), pusher.into()))
}
