//! `envoy`: the comparison with Envoy's own filters; see [`riskgate_benches::envoy`].

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Parser;
use riskgate_benches::envoy::{Contender, Options, run};
use riskgate_benches::model::Shape;
use riskgate_benches::record::Run;

/// Compares the processor time that filters add to a request in a real Envoy.
#[derive(Parser)]
struct Args {
    /// Numbers of rules.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "10,100,1000,10000,100000"
    )]
    rules: Vec<usize>,
    /// Bursts of requests that each filter gets.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Requests of a burst, at most; dear filters get fewer.
    #[arg(long, default_value_t = 2048)]
    requests: usize,
    /// Which filters: empty, ours, rbac, lua-indexed, lua-linear.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "empty,ours,rbac,lua-indexed,lua-linear",
        value_parser = Contender::from_name
    )]
    contenders: Vec<Contender>,
    /// Another build of the riskgate filter to measure beside the first.
    #[arg(long)]
    other_build: Option<PathBuf>,
    /// The rules' shape: selective or unselective.
    #[arg(long, default_value = "selective", value_parser = shape)]
    shape: Shape,
    /// Which share of the requests some rule matches.
    #[arg(long, default_value_t = 0.1)]
    hit_share: f64,
    /// The seed of rules and requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A short run, whose figures mean nothing.
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let quick = args.quick || Run::from_env().is_quick();
    // Only the whole comparison is kept.
    let partial = args.other_build.is_some() || args.contenders.len() < 5;
    let mut contenders = args.contenders;
    contenders.extend(args.other_build.as_ref().map(|_| Contender::OtherBuild));
    run(&Options {
        rules: match quick {
            true => args
                .rules
                .into_iter()
                .filter(|rules| *rules <= 1000)
                .collect(),
            false => args.rules,
        },
        contenders,
        rounds: if quick { 3 } else { args.rounds },
        requests: if quick { 512 } else { args.requests },
        seed: args.seed,
        shape: args.shape,
        hit_share: args.hit_share,
        other_build: args.other_build,
        run: match quick || partial {
            true => Run::Quick,
            false => Run::Full,
        },
    })
}

fn shape(name: &str) -> Result<Shape> {
    Shape::from_name(name)
        .ok_or_else(|| anyhow!("there is no shape `{name}`; there are selective and unselective"))
}
