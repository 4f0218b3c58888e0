//! The comparison on a real Envoy: processor time that a filter adds to a request, beside Envoy's own filters.
//!
//! ```text
//! cargo run --release -p riskgate-benches --bin envoy -- --rules 10,1000 --rounds 10
//! ```
//!
//! # Method
//!
//! Every contender is an Envoy of its own with one worker, one filter and a route that Envoy answers itself, so nothing but
//! Envoy is measured. All get the same requests over HTTP/1.1 connections that are kept; every answer of every burst must be
//! the one that the plain evaluator gives. What a burst cost is the processor time of all threads of the process, user
//! and kernel, as the kernel counts it in nanoseconds; what a filter adds is the difference to the Envoy without a filter
//! in the same round. All Envoys run at the same time, and one after the other gets a burst: whatever disturbs the machine
//! disturbs them alike.
//!
//! # The same rules for everybody
//!
//! - RBAC: one policy a rule, action `DENY`.
//! - Lua, indexed: each rule is found through a table where it can be; see `indexed.lua`.
//! - Lua, linear: one rule after the other; see `linear.lua`.
//! - riskgate: the rules in its own language, built, signed, and pushed by a real pusher.
//!
//! RBAC and Lua stop at the first rule that matches; riskgate names every one.

mod bootstrap;
mod client;
mod contender;
pub mod hotload;
mod lua;
mod measure;
mod process;
mod rbac;
mod report;
mod spread;
mod supply;
mod traffic;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::model::Shape;
use crate::record::{Record, Run};

pub use contender::Contender;
use report::Report;
use supply::Supply;
use traffic::Workload;

/// Above that many rules only riskgate takes part: RBAC and the linear Lua would take milliseconds a request.
const RULES_MAX_FOR_ALL: usize = 10_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers of rules.
    pub rules: Vec<usize>,
    /// Which filters; the Envoy without one always takes part.
    pub contenders: Vec<Contender>,
    /// How many bursts each gets.
    pub rounds: usize,
    /// Requests of a burst, at most.
    pub requests: usize,
    /// The seed of rules and traffic.
    pub seed: u64,
    /// The rules' shape.
    pub shape: Shape,
    /// Which share of the requests some rule matches.
    pub hit_share: f64,
    /// Another build of the riskgate filter, to compare with.
    pub other_build: Option<PathBuf>,
    /// Whether the record counts.
    pub run: Run,
}

impl Options {
    /// A burst to a dear filter has fewer requests, so that it takes about that much processor time.
    const BURST_MAX: Duration = Duration::from_millis(300);

    /// Different requests of a size.
    const TRAFFIC: usize = 512;

    /// Who takes part at a size, and whether with an access log.
    fn entrants(&self, rules: usize) -> Vec<(Contender, bool)> {
        let takes_part = |contender: &Contender| {
            let asked = self.contenders.contains(contender) || *contender == Contender::None;
            let fits = match contender {
                Contender::Rbac | Contender::LuaIndexed | Contender::LuaLinear => {
                    rules <= RULES_MAX_FOR_ALL
                }
                _ => true,
            };
            asked && fits
        };
        let quiet = Contender::ALL.into_iter().filter(takes_part);
        // Reading what the filter decided is part of its cost where somebody logs it.
        let logged = [Contender::None, Contender::Ours]
            .into_iter()
            .filter(|_| self.contenders.contains(&Contender::Ours));
        quiet
            .map(|contender| (contender, false))
            .chain(logged.map(|contender| (contender, true)))
            .collect()
    }
}

/// Runs the comparison, prints its table and writes its record.
///
/// # Errors
///
/// When something does not start, or when any contender answers a request otherwise than the plain evaluator.
pub fn run(options: &Options) -> Result<()> {
    let mut record = Record::begin("envoy", options.run)?;
    record.version("envoy", &process::version()?);
    let folder = tempfile::tempdir()?;
    let supply = Supply::start(folder.path())?;
    let workloads = workloads(options);
    for workload in &workloads {
        let rules = workload.rules.len();
        let bundle_len = supply.publish(&workload.rules)?;
        record.note(&format!(
            "{rules} rules: {} of {} requests match one; the bundle has {bundle_len} bytes; {} connections.",
            workload.denied(),
            workload.requests.len(),
            workload.sources.len()
        ));
    }
    let cells = measure::measure(&workloads, &supply, options, folder.path())?;
    let requests = |cell: &report::Cell| cell.requests_a_burst * (cell.cpu_ns.len() + 1);
    record.answers_checked = cells.iter().map(|cell| requests(cell) as u64).sum();
    for note in NOTES {
        record.note(note);
    }
    let report = Report::new(&cells, options.shape.name());
    report.add_to(&mut record);
    println!("{}", report.table());
    println!("{}", record.write()?.display());
    Ok(())
}

const NOTES: [&str; 5] = [
    "Values are medians over the rounds, low and high the quartiles; every ratio is taken within one round.",
    "Processor time is that of all threads of the Envoy process, user and kernel, from schedstat.",
    "Every answer of every burst was compared with the plain evaluator's.",
    "Memory is that of the whole Envoy process with its one worker; wasm filters have a second VM on its main thread.",
    "RBAC and Lua stop at the first rule that matches; riskgate names all that match.",
];

fn workloads(options: &Options) -> Vec<Workload> {
    let generate = |rules: &usize| {
        Workload::generate(
            options.seed,
            *rules,
            options.shape,
            Options::TRAFFIC,
            options.hit_share,
        )
    };
    options.rules.iter().map(generate).collect()
}
