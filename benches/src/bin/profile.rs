//! Decides and does nothing else, so that perf or valgrind can be attached.
//!
//! ```text
//! CARGO_PROFILE_RELEASE_DEBUG=line-tables-only cargo build --release -p riskgate-benches --bin profile
//! perf record target/release/profile selective 10000 2000000 hit
//! ```

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use riskgate_benches::prepared::Prepared;
use riskgate_benches::workloads::{self, Case};
use riskgate_engine::ruleset::{Ruleset, Scratch};

const USAGE: &str = "usage: profile GROUP SIZE DECISIONS [STREAM]; \
    for example `profile selective 10000 1000000 miss`; without a stream all of the group are mixed";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (group, size, decisions, stream) = match arguments[..] {
        [group, size, decisions] => (group, size, decisions, None),
        [group, size, decisions, stream] => (group, size, decisions, Some(stream)),
        _ => bail!(USAGE),
    };
    let suite = workloads::suite(group, size.parse().context(USAGE)?).context(USAGE)?;
    let begun = Instant::now();
    let ruleset = riskgate_benches::compile(&suite.files)?;
    eprintln!("compiled and loaded in {:.1?}", begun.elapsed());
    let chosen = suite
        .streams
        .iter()
        .filter(|each| stream.is_none_or(|name| name == each.name));
    let mut cases = Vec::new();
    for stream in chosen {
        workloads::check(&ruleset, stream)?;
        cases.extend(&stream.cases);
    }
    ensure!(!cases.is_empty(), "the group has no such stream\n{USAGE}");
    decide(&ruleset, &cases, decisions.parse().context(USAGE)?);
    Ok(())
}

fn decide(ruleset: &Ruleset, cases: &[&Case], decisions: usize) {
    let prepared: Vec<Prepared<'_>> = cases.iter().map(|case| Prepared::new(&case.item)).collect();
    let mut scratch = Scratch::default();
    let begun = Instant::now();
    for request in prepared.iter().cycle().take(decisions) {
        black_box(ruleset.decide(&request.request(), &mut scratch).action());
    }
    let each_ns = begun.elapsed().as_nanos() as f64 / decisions.max(1) as f64;
    println!("{each_ns:.0} ns a decision, {} requests", prepared.len());
}
