//! The filter as the module that is shipped, in wasmtime: what a decision, a load and a ruleset's memory cost there.
//!
//! A decision is timed twice: as the callback of the filter, with everything that it asks a proxy, and as the engine alone
//! in a module of its own. The proxy here does next to nothing; what a real one adds, the benchmark `envoy` shows.

mod decisions;
mod figures;
mod filter_vm;
mod host;
mod probe_vm;
mod samples;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use riskgate_engine::bundle::Bundle;
use wasmtime::{Engine, Module};

use crate::workloads::{self, Suite};
use decisions::{time_engine, time_filter};
use filter_vm::FilterVm;
use probe_vm::ProbeVm;
use samples::Samples;

/// What was measured of one ruleset.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What its figures stand together under.
    pub group: &'static str,
    /// How many rules, or values of a list.
    pub size: usize,
    /// How many answers were right before anything was timed.
    pub answers_checked: u64,
    /// How many loads were timed.
    pub loads: u64,
    /// Length of the bundle as it is sent.
    pub bundle_bytes: usize,
    /// Linear memory with the ruleset over the filter without one.
    pub memory_bytes: usize,
    /// Callbacks of all chunks but the last.
    pub transfer_us: Percentiles,
    /// Signature, times and hashes, in the engine.
    pub verify_us: Percentiles,
    /// Copying and checking the sections, in the engine.
    pub sections_us: Percentiles,
    /// Callback of the last chunk: these two, and the swap.
    pub last_chunk_us: Percentiles,
    /// What its decisions cost, by kinds of requests.
    pub streams: Vec<MeasuredStream>,
}

/// What was measured of requests of one kind.
#[derive(Debug, Clone)]
pub struct MeasuredStream {
    /// What kind.
    pub name: String,
    /// How many decisions were timed.
    pub decisions: u64,
    /// The engine's part of a decision.
    pub engine_us: Percentiles,
    /// `proxy_on_request_headers`.
    pub decision_us: Percentiles,
    /// `proxy_on_request_body`, of requests that wait for their bodies.
    pub body_us: Option<Percentiles>,
    /// All callbacks of a request.
    pub request_us: Percentiles,
    /// Calls of the filter to the proxy for one request, on average.
    pub host_calls: f64,
}

/// Microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Percentiles {
    /// Ten in a hundred are no slower.
    pub p10: f64,
    /// Half are no slower.
    pub p50: f64,
    /// 99 in a hundred are no slower.
    pub p99: f64,
}

/// What the module itself is.
#[derive(Debug, Clone, Copy)]
pub struct ModuleSize {
    /// Of the file.
    pub module_bytes: usize,
    /// Linear memory of a filter that is configured and has no ruleset.
    pub empty_memory_bytes: usize,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    rounds: usize,
    loads: usize,
    largest: usize,
}

impl Effort {
    /// For figures to keep.
    pub const FULL: Effort = Effort {
        rounds: 40,
        loads: 15,
        largest: usize::MAX,
    };
    /// To see that it works.
    pub const QUICK: Effort = Effort {
        rounds: 2,
        loads: 1,
        largest: 1_000,
    };
}

/// The modules, compiled for this machine.
pub struct Modules {
    engine: Engine,
    filter: Module,
    probe: Module,
    filter_len: usize,
}

impl Modules {
    /// Builds and compiles the modules.
    ///
    /// # Errors
    ///
    /// When one does not build.
    pub fn build() -> Result<Modules> {
        let engine = Engine::default();
        let filter = module_file(
            "RISKGATE_FILTER_WASM",
            "riskgate-filter",
            "riskgate_filter.wasm",
        )?;
        let probe = module_file(
            "RISKGATE_ENGINE_PROBE_WASM",
            "riskgate-engine-probe",
            "riskgate_engine_probe.wasm",
        )?;
        Ok(Modules {
            filter: Module::new(&engine, &filter)?,
            probe: Module::new(&engine, &probe)?,
            filter_len: filter.len(),
            engine,
        })
    }

    /// What the filter's module is.
    ///
    /// # Errors
    ///
    /// When the filter does not start.
    pub fn size(&self) -> Result<ModuleSize> {
        let mut vm = FilterVm::new(&self.engine, &self.filter)?;
        Ok(ModuleSize {
            module_bytes: self.filter_len,
            empty_memory_bytes: vm.memory_len()?,
        })
    }

    /// Measures everything, and hands over each result as it comes.
    ///
    /// # Errors
    ///
    /// When an answer is wrong.
    pub fn measure(&self, effort: Effort, mut take: impl FnMut(Measured)) -> Result<()> {
        for planned in workloads::plan(effort.largest) {
            let place = || format!("{}, {}", planned.group, planned.size);
            let suite = planned.make();
            let measured = self.measure_suite(&suite, planned.size, effort);
            take(measured.with_context(place)?);
        }
        Ok(())
    }

    fn measure_suite(&self, suite: &Suite, size: usize, effort: Effort) -> Result<Measured> {
        let file = crate::bundle(&suite.files)?;
        let bundle = Bundle::parse(&file)?.without_detached();
        let (mut transfer, mut last_chunk) = (Samples::default(), Samples::default());
        let (mut verify, mut sections) = (Samples::default(), Samples::default());
        let mut memory_bytes = 0;
        let mut loaded = None;
        for _ in 0..effort.loads {
            let mut vm = FilterVm::new(&self.engine, &self.filter)?;
            let empty = vm.memory_len()?;
            let times = vm.load(&bundle)?;
            transfer.push(times.transfer);
            last_chunk.push(times.last_chunk);
            memory_bytes = vm.memory_len()? - empty;
            let mut probe = ProbeVm::new(&self.engine, &self.probe)?;
            let times = probe.load(&bundle)?;
            verify.push(times.verify);
            sections.push(times.sections);
            loaded = Some((vm, probe));
        }
        let (mut vm, mut probe) = loaded.context("nothing was loaded")?;
        let streams = suite.streams.iter().map(|stream| {
            let engine_us = time_engine(&mut probe, stream, effort)?;
            time_filter(&mut vm, suite.group, stream, engine_us, effort)
        });
        let answers: usize = suite.streams.iter().map(|stream| stream.cases.len()).sum();
        Ok(Measured {
            group: suite.group,
            size,
            answers_checked: 2 * answers as u64,
            loads: effort.loads as u64,
            bundle_bytes: bundle.len(),
            memory_bytes,
            transfer_us: Percentiles::of(transfer),
            verify_us: Percentiles::of(verify),
            sections_us: Percentiles::of(sections),
            last_chunk_us: Percentiles::of(last_chunk),
            streams: streams.collect::<Result<_>>()?,
        })
    }
}

impl Percentiles {
    fn of(mut samples: Samples) -> Percentiles {
        Percentiles {
            p10: samples.percentile_us(10),
            p50: samples.percentile_us(50),
            p99: samples.percentile_us(99),
        }
    }
}

/// The module that `variable` names, or else the one that cargo builds now, as it is shipped.
fn module_file(variable: &str, package: &str, name: &str) -> Result<Vec<u8>> {
    let path = match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => build_module(package, name)?,
    };
    std::fs::read(&path).with_context(|| path.display().to_string())
}

fn build_module(package: &str, name: &str) -> Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", package])
        .args(["--target", "wasm32-wasip1", "--profile", "wasm"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{package}` does not build:\n{errors}"
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut paths = messages.split('"').filter(|text| text.ends_with(name));
    let path = paths.next_back();
    Ok(path.context("cargo names the module it built")?.into())
}
