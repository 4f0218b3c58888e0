//! Timing decisions whose answers were right before.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::filter_vm::{FilterVm, Wire};
use super::probe_vm::ProbeVm;
use super::samples::Samples;
use super::{Effort, MeasuredStream, Percentiles};
use crate::workloads::{Answers, Case, Stream};

/// Decides a stream with the engine alone: first to compare its answers, then to time them.
pub(super) fn time_engine(
    probe: &mut ProbeVm,
    stream: &Stream,
    effort: Effort,
) -> Result<Percentiles> {
    let mut answers = Answers::of(stream);
    let mut indices = Vec::with_capacity(stream.cases.len());
    for case in &stream.cases {
        let index = probe.add_request(&case.item)?;
        let (matched, _) = probe.decide(index)?;
        answers.compare_count(case, matched)?;
        indices.push(index);
    }
    let mut samples = Samples::default();
    for _ in 0..effort.rounds {
        for index in &indices {
            samples.push(probe.decide(*index)?.1);
        }
    }
    Ok(Percentiles::of(samples))
}

/// As [`time_engine`], with the filter.
pub(super) fn time_filter(
    vm: &mut FilterVm,
    group: &str,
    stream: &Stream,
    engine_us: Percentiles,
    effort: Effort,
) -> Result<MeasuredStream> {
    let wires = stream.cases.iter().map(|case| Wire::of(&case.item));
    let mut wires = wires.collect::<Result<Vec<_>>>()?;
    let mut answers = Answers::of(stream);
    for (case, wire) in stream.cases.iter().zip(&mut wires) {
        vm.decide(wire)?;
        check_answer(vm, group, case, &mut answers)?;
    }
    let calls_before = vm.proxy().calls;
    let (mut decision, mut whole) = (Samples::default(), Samples::default());
    let mut body = Samples::default();
    for _ in 0..effort.rounds {
        for wire in &mut wires {
            let times = vm.decide(wire)?;
            decision.push(times.decision);
            times.body.into_iter().for_each(|time| body.push(time));
            whole.push(times.whole);
        }
    }
    let calls = vm.proxy().calls - calls_before;
    let decisions = effort.rounds * stream.cases.len();
    Ok(MeasuredStream {
        name: stream.name.clone(),
        decisions: decisions as u64,
        engine_us,
        decision_us: Percentiles::of(decision),
        body_us: (!body.is_empty()).then(|| Percentiles::of(body)),
        request_us: Percentiles::of(whole),
        host_calls: calls as f64 / decisions as f64,
    })
}

/// Holds what the filter tells the access log, and its reply, against what must come.
fn check_answer(vm: &FilterVm, group: &str, case: &Case, answers: &mut Answers<'_>) -> Result<()> {
    let proxy = vm.proxy();
    let lists = ["riskgate.matched", "riskgate.shadowed"]
        .map(|path| String::from_utf8_lossy(proxy.state(path.as_bytes())));
    let ids = lists.iter().flat_map(|list| list.split(','));
    let got: BTreeSet<&str> = ids.filter(|id| !id.is_empty()).collect();
    answers.compare(case, &got)?;
    let status = proxy.reply_status;
    let is_right = match (got.is_empty(), group) {
        (true, _) => status == 0,
        // Its rules challenge, score, tag and shadow as well.
        (false, "enriched") => [0, 401, 403].contains(&status),
        (false, _) => status == 403,
    };
    ensure!(is_right, "{got:?} match, and status {status} came");
    Ok(())
}
