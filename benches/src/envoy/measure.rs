//! The measurement: all Envoys at once, a short burst of requests to each in turn, round after round.
//!
//! What disturbs a machine for a second then disturbs all contenders alike, and each round gives ratios of its own.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Options;
use super::bootstrap::Bootstrap;
use super::client::{BATCH, Client};
use super::contender::{Contender, Filters};
use super::process::Envoy;
use super::report::Cell;
use super::supply::Supply;
use super::traffic::Workload;

/// VMs of a wasm filter: one for the worker, one on the main thread.
const VMS: u64 = 2;
/// However dear a request is, a burst has as many.
const REQUESTS_MIN: usize = 10 * BATCH;

/// An Envoy that takes part.
pub(super) struct Entrant<'w> {
    workload: &'w Workload,
    contender: Contender,
    access_log: bool,
    envoy: Envoy,
    client: Client,
    /// Requests of a burst.
    requests: usize,
    /// Processor time a request of each burst.
    bursts: Vec<Duration>,
}

impl<'w> Entrant<'w> {
    /// Starts its Envoy and checks its answer to every request.
    fn admit(
        workload: &'w Workload,
        contender: Contender,
        access_log: bool,
        supply: &Supply,
        options: &Options,
        folder: &Path,
    ) -> Result<Entrant<'w>> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let filters = Filters {
            supply,
            other_build: options.other_build.as_deref(),
        };
        let log = folder.join("access.log");
        let bootstrap = Bootstrap {
            filter: filters.config(contender, &workload.rules, folder)?,
            access_log: access_log.then_some(log.as_path()),
            pusher: contender.is_pushed().then(|| supply.subscribers()),
        };
        let envoy = Envoy::start(folder, &bootstrap.to_json())?;
        if contender.is_pushed() {
            envoy.wait_for_rules(VMS)?;
        }
        let client = Client::open(envoy.listener(), &workload.sources)?;
        let mut entrant = Entrant {
            workload,
            contender,
            access_log,
            envoy,
            client,
            requests: workload.requests.len(),
            bursts: Vec::new(),
        };
        entrant.check_answers()?;
        Ok(entrant)
    }

    /// Sends every request once, and sees from that how many a burst may have.
    fn check_answers(&mut self) -> Result<()> {
        let cost = self.burst(self.workload.requests.len())?;
        let affordable = Options::BURST_MAX.as_nanos() / cost.as_nanos().max(1);
        self.requests = usize::try_from(affordable).unwrap_or(usize::MAX);
        Ok(())
    }

    /// Processor time a request of Envoy, over `count` of them.
    fn burst(&mut self, count: usize) -> Result<Duration> {
        let before = self.envoy.cpu_time()?;
        self.client
            .run(self.workload, self.contender.enforces(), count)
            .with_context(|| self.contender.name())?;
        let used = self.envoy.cpu_time()?.since(before);
        Ok(used / u32::try_from(count)?)
    }

    fn into_cell(self) -> Result<Cell> {
        let cpu_ns = self.bursts.iter().map(Duration::as_nanos);
        Ok(Cell {
            rules: self.workload.rules.len(),
            contender: self.contender,
            access_log: self.access_log,
            requests_a_burst: self.requests,
            cpu_ns: cpu_ns.map(u64::try_from).collect::<Result<_, _>>()?,
            memory: self.envoy.memory()?,
        })
    }
}

/// Runs everything that `options` ask for.
pub(super) fn measure(
    workloads: &[Workload],
    supply: &Supply,
    options: &Options,
    folder: &Path,
) -> Result<Vec<Cell>> {
    let mut entrants = admit_all(workloads, supply, options, folder)?;
    for entrant in &mut entrants {
        entrant.requests = entrant.requests.clamp(REQUESTS_MIN, options.requests);
    }
    // The first is for warming up: V8 and LuaJIT compile what runs often.
    for round in 0..=options.rounds {
        let begun = Instant::now();
        run_round(&mut entrants, round)?;
        if round == 0 {
            entrants
                .iter_mut()
                .for_each(|entrant| entrant.bursts.clear());
        }
        eprintln!(
            "round {round} of {}: {:.1?}",
            options.rounds,
            begun.elapsed()
        );
    }
    entrants.into_iter().map(Entrant::into_cell).collect()
}

/// One burst each, in turned order: whoever comes first in one round comes last in the next.
fn run_round(entrants: &mut [Entrant<'_>], round: usize) -> Result<()> {
    let mut order: Vec<&mut Entrant<'_>> = entrants.iter_mut().collect();
    if round % 2 == 1 {
        order.reverse();
    }
    for entrant in order {
        let cost = entrant.burst(entrant.requests)?;
        entrant.bursts.push(cost);
    }
    Ok(())
}

fn admit_all<'w>(
    workloads: &'w [Workload],
    supply: &Supply,
    options: &Options,
    folder: &Path,
) -> Result<Vec<Entrant<'w>>> {
    let mut entrants = Vec::new();
    for workload in workloads {
        for (contender, access_log) in options.entrants(workload.rules.len()) {
            let rules = workload.rules.len();
            let name = format!("{}-{rules}-{access_log}", contender.name());
            let entrant = Entrant::admit(
                workload,
                contender,
                access_log,
                supply,
                options,
                &folder.join(&name),
            )
            .with_context(|| format!("{} with {rules} rules", contender.name()))?;
            eprintln!(
                "{} with {rules} rules: {} answers are right",
                contender.name(),
                workload.requests.len()
            );
            entrants.push(entrant);
        }
    }
    Ok(entrants)
}
