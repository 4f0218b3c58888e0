//! `cargo run --release -p riskgate-benches --bin wasm [-- --quick]`: the filter's module in wasmtime.

use anyhow::{Result, bail};
use riskgate_benches::wasm::{Effort, Modules};

fn main() -> Result<()> {
    let effort = match std::env::args().nth(1).as_deref() {
        None => Effort::FULL,
        Some("--quick") => Effort::QUICK,
        Some(other) => bail!("unknown argument `{other}`; the only one is `--quick`"),
    };
    let modules = Modules::build()?;
    println!("{:?}", modules.size()?);
    modules.measure(effort, |measured| println!("{measured:#?}"))
}
