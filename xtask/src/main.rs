//! Everything a person or CI runs, as `cargo xtask VERB`.
//!
//! It needs rustup and python3 and installs the rest itself, under `target/`. It never writes outside of the
//! workspace but for the wasm target, which rustup adds to the toolchain.

use std::process::ExitCode;

use anyhow::{Result, bail};

mod bench;
mod build;
mod demo;
mod deny;
mod envoy;
mod fuzz_diff;
mod setup;
mod shell;
mod soak;
mod test;
mod tidy;
mod workspace;

const USAGE: &str = "\
usage: cargo xtask VERB

  demo [--keep]  the whole path on a real Envoy: publish rules, send requests, change a rule while it runs;
                 with --keep Envoy, pusher and upstream stay until Ctrl-C
  test           everything CI checks: format, lints, unit, property, CLI and end-to-end tests
  build          the filter for wasm and the command line tools
  setup          what the others need: the wasm target of the toolchain, and an Envoy under target/
  bench [PART]   the benchmarks, into benches/record/: engine, wasm, envoy, hotload, build, plot, or
                 all of them; with --quick a smoke run, into target/
  fuzz-diff      random rulesets and requests, the engine against the oracle; with --cases N (pairs, 100,000 if not
                 given), --seed S, and --only I for the one case that a report names
  soak           random faults on a real Envoy under load, whose every verdict is checked; with --minutes M (10 if not
                 given) and --seed S, or nothing but swaps with --swaps N. A violation ends it with status 1, the seed
                 and the folder of the logs
  tidy           dependency directions, paths that the docs name, function length
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["demo"] => demo::run(false),
        ["demo", "--keep"] => demo::run(true),
        ["test"] => test::run(),
        ["build"] => build::run(),
        ["bench", options @ ..] => bench::run(options),
        ["setup"] => setup::run().map(drop),
        ["fuzz-diff", options @ ..] => fuzz_diff::run(options),
        ["soak", options @ ..] => soak::run(options),
        ["tidy"] => tidy::run(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("`{}` is not a verb of xtask\n\n{USAGE}", other.join(" ")),
    }
}
