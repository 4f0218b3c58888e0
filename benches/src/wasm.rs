//! The filter as the module that is shipped, in wasmtime: what a decision, a load and a ruleset's memory cost there.
//!
//! A decision is timed twice: as the callback of the filter, with everything that it asks a proxy, and as the engine alone
//! in a module of its own. The proxy here does next to nothing; what a real one adds, the benchmark `envoy` shows.

mod bundles;
mod figures;
mod filter_vm;
mod host;
mod probe_vm;
mod samples;
mod scenario;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use wasmtime::{Engine, Module};

use crate::model::Shape;
use bundles::bundle;
use filter_vm::{FilterVm, Wire};
use probe_vm::ProbeVm;
use samples::Samples;
use scenario::{Case, Scenario};

/// What was measured of one ruleset.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Shape of the rules, or the list.
    pub name: String,
    /// How many rules; 0 where a list is what matters.
    pub rules: usize,
    /// How many answers were right before anything was timed.
    pub answers_checked: u64,
    /// How many decisions were timed.
    pub decisions: u64,
    /// How many loads were timed.
    pub loads: u64,
    /// Length of the bundle as it is sent.
    pub bundle_bytes: usize,
    /// The engine's part of a decision.
    pub engine_us: Percentiles,
    /// `proxy_on_request_headers`.
    pub decision_us: Percentiles,
    /// All callbacks of a request.
    pub request_us: Percentiles,
    /// Calls of the filter to the proxy for one request, on average.
    pub host_calls: f64,
    /// Linear memory with the ruleset over the filter without one.
    pub memory_bytes: usize,
    /// Callbacks of all chunks but the last.
    pub transfer_ms: f64,
    /// Signature, times and hashes, in the engine.
    pub verify_ms: f64,
    /// Copying and checking the sections, in the engine.
    pub sections_ms: f64,
    /// Callback of the last chunk: these two, and the swap.
    pub last_chunk_ms: f64,
}

/// Microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Percentiles {
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
        rounds: 20,
        loads: 5,
        largest: 100_000,
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
        if effort.largest >= 100_000 {
            take(self.measure_one(&Scenario::prefixes(), effort)?);
            take(self.measure_one(&Scenario::strings(), effort)?);
        }
        for shape in Shape::ALL {
            for count in [10, 1_000, 10_000, 100_000] {
                if count <= effort.largest {
                    take(self.measure_one(&Scenario::rules(count, shape), effort)?);
                }
            }
        }
        Ok(())
    }

    fn measure_one(&self, scenario: &Scenario, effort: Effort) -> Result<Measured> {
        let what = || format!("{} rules, {}", scenario.rules, scenario.name);
        let bundle = bundle(&scenario.files).with_context(what)?;
        let (mut transfer, mut last_chunk) = (Samples::default(), Samples::default());
        let (mut verify, mut sections) = (Samples::default(), Samples::default());
        let mut memory_bytes = 0;
        let mut loaded = None;
        for _ in 0..effort.loads {
            let mut vm = FilterVm::new(&self.engine, &self.filter)?;
            let empty = vm.memory_len()?;
            let times = vm.load(&bundle).with_context(what)?;
            transfer.push(times.transfer);
            last_chunk.push(times.last_chunk);
            memory_bytes = vm.memory_len()? - empty;
            let mut probe = ProbeVm::new(&self.engine, &self.probe)?;
            let times = probe.load(&bundle).with_context(what)?;
            verify.push(times.verify);
            sections.push(times.sections);
            loaded = Some((vm, probe));
        }
        let (mut vm, mut probe) = loaded.context("nothing was loaded")?;
        let engine_us = time_engine(&mut probe, &scenario.cases, effort).with_context(what)?;
        let filter = time_filter(&mut vm, &scenario.cases, effort).with_context(what)?;
        Ok(Measured {
            name: scenario.name.clone(),
            rules: scenario.rules,
            answers_checked: 2 * scenario.cases.len() as u64,
            decisions: (effort.rounds * scenario.cases.len()) as u64,
            loads: effort.loads as u64,
            bundle_bytes: bundle.len(),
            engine_us,
            decision_us: filter.decision_us,
            request_us: filter.request_us,
            host_calls: filter.host_calls,
            memory_bytes,
            transfer_ms: transfer.percentile_us(50) / 1e3,
            verify_ms: verify.percentile_us(50) / 1e3,
            sections_ms: sections.percentile_us(50) / 1e3,
            last_chunk_ms: last_chunk.percentile_us(50) / 1e3,
        })
    }
}

struct FilterTimes {
    decision_us: Percentiles,
    request_us: Percentiles,
    host_calls: f64,
}

impl Percentiles {
    fn of(mut samples: Samples) -> Percentiles {
        Percentiles {
            p50: samples.percentile_us(50),
            p99: samples.percentile_us(99),
        }
    }
}

fn time_engine(probe: &mut ProbeVm, cases: &[Case], effort: Effort) -> Result<Percentiles> {
    let indices = 0_u32..;
    for (index, case) in indices.clone().zip(cases) {
        probe.add_request(&case.item)?;
        let (matched, _) = probe.decide(index)?;
        ensure!(
            matched as usize == case.matched.len(),
            "{matched} rules match in the engine, not {:?}",
            case.matched
        );
    }
    let mut samples = Samples::default();
    for _ in 0..effort.rounds {
        for (index, _) in indices.clone().zip(cases) {
            samples.push(probe.decide(index)?.1);
        }
    }
    Ok(Percentiles::of(samples))
}

fn time_filter(vm: &mut FilterVm, cases: &[Case], effort: Effort) -> Result<FilterTimes> {
    let wires = cases.iter().map(|case| Wire::of(&case.item));
    let mut wires = wires.collect::<Result<Vec<_>>>()?;
    for (case, wire) in cases.iter().zip(&mut wires) {
        vm.decide(wire)?;
        check_answer(vm, case)?;
    }
    let calls_before = vm.proxy().calls;
    let (mut decision, mut whole) = (Samples::default(), Samples::default());
    for _ in 0..effort.rounds {
        for wire in &mut wires {
            let times = vm.decide(wire)?;
            decision.push(times.decision);
            whole.push(times.whole);
        }
    }
    let calls = vm.proxy().calls - calls_before;
    Ok(FilterTimes {
        decision_us: Percentiles::of(decision),
        request_us: Percentiles::of(whole),
        host_calls: calls as f64 / (effort.rounds * cases.len()) as f64,
    })
}

/// Every generated rule denies with 403.
fn check_answer(vm: &FilterVm, case: &Case) -> Result<()> {
    let proxy = vm.proxy();
    let matched = String::from_utf8_lossy(proxy.state(b"riskgate.matched"));
    let status = if case.matched.is_empty() { 0 } else { 403 };
    ensure!(
        matched == case.matched.join(",") && proxy.reply_status == status,
        "`{matched}` match and status {} came, not {:?}: {:?}",
        proxy.reply_status,
        case.matched,
        case.item
    );
    Ok(())
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
