//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

/// The default of `--subscribers`.
const SUBSCRIBERS: &str = "127.0.0.1:7400";

/// The default of `--admin` and of `--to`.
const ADMIN: &str = "127.0.0.1:7401";

/// The longest `--wait`.
const WAIT_S_MAX: u64 = 3_600;

/// Carries signed rule bundles to the riskgate filters.
///
/// Exit status: 0 fine, 1 the pusher refused the bundle, 2 usage or I/O.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Serve(ServeArgs),
    Publish(PublishArgs),
    Status(StatusArgs),
}

/// Serve filters and operators until SIGTERM or SIGINT.
///
/// When it is ready it prints one line of JSON on standard output with its addresses: `subscribers`, `admin` and,
/// where it is served, `ecds`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where filters connect to; port 0 takes a free port.
    #[arg(long, value_name = "ADDR:PORT", default_value = SUBSCRIBERS)]
    pub(crate) subscribers: SocketAddr,
    /// Where `publish` and `status` connect to; port 0 takes a free port.
    #[arg(long, value_name = "ADDR:PORT", default_value = ADMIN)]
    pub(crate) admin: SocketAddr,
    /// Where Envoys fetch the filter's configuration with its bundle (ECDS); port 0 takes a free port.
    #[arg(long, value_name = "ADDR:PORT", requires = "ecds_resources")]
    pub(crate) ecds: Option<SocketAddr>,
    /// The configurations that they fetch, as docs/ecds.md has it.
    #[arg(long, value_name = "FILE.json", requires = "ecds")]
    pub(crate) ecds_resources: Option<PathBuf>,
    /// The file that keeps the published bundles; it is made if there is none.
    #[arg(long, value_name = "FILE.redb")]
    pub(crate) store: PathBuf,
    /// A public key in PEM whose signature counts; repeat it for several.
    #[arg(long, value_name = "PUB.pem", required = true)]
    pub(crate) trust: Vec<PathBuf>,
    /// How many trusted keys must have signed a bundle.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threshold: u32,
    /// Listen on addresses that other machines reach, although nothing asks those who connect who they are.
    #[arg(long)]
    pub(crate) allow_non_loopback: bool,
    /// What is logged to standard error: off, error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: LevelFilter,
}

/// Publish a signed bundle.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    /// The bundle, as `rulec build` writes it.
    #[arg(value_name = "BUNDLE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
    /// How to print what was published.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Show what is published, and what every connected VM made of it.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
    /// Only this ruleset.
    #[arg(long, value_name = "NAME")]
    pub(crate) ruleset: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Which pusher is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct AdminArgs {
    /// The admin address of the pusher: HOST:PORT or http://HOST:PORT.
    #[arg(long, value_name = "ADDR", default_value = ADMIN)]
    pub(crate) to: String,
    /// How long to wait for a pusher that is starting.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) wait: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= WAIT_S_MAX);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("give a whole number of seconds from 0 to {WAIT_S_MAX}"))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs, in a stable shape.
    Json,
}
