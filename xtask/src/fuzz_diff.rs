//! `cargo xtask fuzz-diff`: random rulesets and requests, the engine against the oracle of the compiler's tests.

use anyhow::{Context, Result, bail};

use crate::shell::Command;

/// Optimized, and with every check that a debug build has.
const PROFILE: [&str; 4] = [
    "profile.fuzz.inherits=\"release\"",
    "profile.fuzz.debug=\"line-tables-only\"",
    "profile.fuzz.debug-assertions=true",
    "profile.fuzz.overflow-checks=true",
];

/// What to run.
struct Options {
    pairs: u64,
    seed: u64,
    /// The place of the only case to run.
    only: Option<u64>,
}

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let Options { pairs, seed, only } = options(arguments)?;
    let mut command = Command::cargo();
    for setting in PROFILE {
        command = command.args(["--config", setting]);
    }
    command = command
        .args([
            "test",
            "--profile",
            "fuzz",
            "--package",
            "riskgate-compiler",
        ])
        .args(["--test", "properties", "--"])
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("differential::a_long_run_finds_no_difference")
        .env("FUZZ_DIFF_CASES", pairs.to_string())
        .env("FUZZ_DIFF_SEED", seed.to_string())
        .env("RUST_BACKTRACE", "0");
    if let Some(only) = only {
        command = command.env("FUZZ_DIFF_ONLY", only.to_string());
    }
    command.run()
}

fn options(arguments: &[&str]) -> Result<Options> {
    let mut options = Options {
        pairs: 100_000,
        seed: 1,
        only: None,
    };
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest
            .next()
            .with_context(|| format!("`{name}` needs a number behind it"))?;
        let number = value
            .parse()
            .with_context(|| format!("`{name}` takes a number, not `{value}`"))?;
        match *name {
            "--cases" => options.pairs = number,
            "--seed" => options.seed = number,
            "--only" => options.only = Some(number),
            other => {
                bail!("fuzz-diff has no option `{other}`; it takes --cases, --seed and --only")
            }
        }
    }
    Ok(options)
}
