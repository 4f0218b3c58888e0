//! The soak: random faults, in an order that a seed gives, on a real Envoy under load, whose every verdict is checked.
//!
//! `cargo xtask soak` builds everything and runs this.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};

mod acts;
mod ground;
mod run;
mod summary;

use run::End;

/// What to run.
#[derive(Clone, Copy, Debug)]
struct Options {
    /// How long, unless it is told how many swaps.
    minutes: u64,
    seed: u64,
    /// Nothing but so many swaps.
    swaps: Option<u64>,
}

fn main() -> ExitCode {
    match options().and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it, and says whether all was well.
fn run(options: Options) -> Result<bool> {
    let end = match options.swaps {
        Some(swaps) => End::Swaps(swaps),
        None => End::Time(Duration::from_secs(60 * options.minutes)),
    };
    let summary = run::run(options.seed, end)?;
    print!("{summary}");
    Ok(summary.is_good())
}

fn options() -> Result<Options> {
    let mut options = Options {
        minutes: 10,
        seed: 1,
        swaps: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next();
        let value = value.with_context(|| format!("`{name}` needs a number behind it"))?;
        let value = value
            .parse()
            .with_context(|| format!("`{value}` is not a number"))?;
        match &name[..] {
            "--minutes" => options.minutes = value,
            "--seed" => options.seed = value,
            "--swaps" => options.swaps = Some(value),
            _ => bail!(
                "`{name}` is not an option of the soak: there are --minutes, --seed and --swaps"
            ),
        }
    }
    Ok(options)
}
