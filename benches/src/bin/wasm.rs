//! `cargo xtask bench wasm [--quick]`: the filter's module in wasmtime.
//!
//! `cargo run --release -p riskgate-benches --bin wasm [-- --quick]` does the same.

use anyhow::{Result, bail};
use riskgate_benches::record::{Record, Run};
use riskgate_benches::wasm::{Effort, Modules};

/// As the workspace asks for it.
const WASMTIME: &str = "48";

/// What a reader of the figures must know.
const NOTES: [&str; 7] = [
    "wasmtime runs the module that is shipped; Envoy has V8, and what its calls cost is in the part `envoy`.",
    "The engine alone is a module with nothing but the engine, which has taken the request apart before; the headers callback \
     is the filter's, with all that it asks of a proxy that answers from memory.",
    "Rulesets, requests and expected answers are those of the part `engine`; the column `rules` of a list is its length.",
    "A time is a median, and in brackets the 10th and the 99th percentile: of single requests, or of loads.",
    "Each sample includes reading a clock twice, some 20 to 50 ns.",
    "Linear memory never shrinks, so what it has grown to after the first load is also its peak; it grows by pages of 64 KiB.",
    "Each load is the first of a new VM: its memory has to grow.",
];

fn main() -> Result<()> {
    let run = match std::env::args().nth(1).as_deref() {
        None => Run::from_env(),
        Some("--quick") => Run::Quick,
        Some(other) => bail!("unknown argument `{other}`; the only one is `--quick`"),
    };
    let effort = if run.is_quick() {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let mut record = Record::begin("wasm", run)?;
    record.version("wasmtime", WASMTIME);
    for note in NOTES {
        record.note(note);
    }
    let modules = Modules::build()?;
    modules.size()?.add_to(&mut record);
    modules.measure(effort, |measured| measured.add_to(&mut record))?;
    println!("{}", record.write()?.display());
    Ok(())
}
