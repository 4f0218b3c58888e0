//! What is measured under each circumstance, as figures.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::discovered::Discovered;
use super::load::Load;
use super::probes::Probes;
use super::pushed::{Builds, Pushed};
use super::{LUA_RULES_MAX, Options, fresh, rules_of};
use crate::record::{Measurement, Record};

const ACK: &str = "publication to the last VM's ACK";
const VERDICT: &str = "change to the new verdict everywhere";

/// Rules beside the list, and in the run over memory.
const RULES_BESIDE_LIST: usize = 10;
const RULES_IN_MEMORY: usize = 1_000;

/// Memory has settled after a tenth of the swaps.
const SETTLED: usize = 10;

/// Where figures of a size go.
struct Place {
    group: String,
    series: &'static str,
    rules: usize,
}

/// All circumstances of a size: revision 1 is there first, then half of the others come idle and half under load.
pub(super) fn measure(
    options: &Options,
    rules: usize,
    samples: usize,
    folder: &Path,
    record: &mut Record,
) -> Result<()> {
    let builds = Builds::new(&fresh(folder, &format!("keys-{rules}"))?)?;
    let revisions = 1..=2 * samples as u64 + 1;
    let bundles: Vec<Vec<u8>> = revisions
        .map(|revision| builds.build(revision, &rules_of(revision, rules), ""))
        .collect::<Result<_>>()?;
    record.add(figure(
        &Place {
            group: "bundles".to_owned(),
            series: "riskgate",
            rules,
        },
        ("size", "bytes"),
        bundles.first().map_or(0.0, |first| first.len() as f64),
        (None, 1),
    ));
    for &workers in &options.workers {
        let here = fresh(folder, &format!("pushed-{rules}-{workers}"))?;
        measure_pushed(options, &builds, rules, workers, &here, &bundles, record)?;
        if rules <= LUA_RULES_MAX {
            let here = fresh(folder, &format!("lua-{rules}-{workers}"))?;
            measure_discovered(rules, workers, samples, &here, record)?;
        }
    }
    Ok(())
}

fn measure_pushed(
    options: &Options,
    builds: &Builds,
    rules: usize,
    workers: usize,
    folder: &Path,
    bundles: &[Vec<u8>],
    record: &mut Record,
) -> Result<()> {
    let Some((first, rest)) = bundles.split_first() else {
        return Ok(());
    };
    let mut pushed = Pushed::start(&options.pusher, builds, workers, folder, first)?;
    let (idle, busy) = rest.split_at(rest.len() / 2);
    for (bundles, circumstance) in [(idle, "idle"), (busy, "under load")] {
        let load = (circumstance != "idle").then(|| Load::start(pushed.envoy.listener()));
        let (acks, verdicts) = swap(&mut pushed, bundles, record)?;
        let place = Place {
            group: group(workers, circumstance),
            series: "riskgate",
            rules,
        };
        add(record, &place, ACK, acks);
        add(record, &place, VERDICT, verdicts);
        if let Some(load) = load {
            record.answers_checked += load.finish()?;
        }
    }
    Ok(())
}

/// Publishes one after the other; of each second one the ACKs are waited for, of the others the verdicts.
fn swap(
    pushed: &mut Pushed,
    bundles: &[Vec<u8>],
    record: &mut Record,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let mut probes = Probes::open(pushed.envoy.listener())?;
    let (mut acks, mut verdicts) = (Vec::new(), Vec::new());
    for (place, bundle) in bundles.iter().enumerate() {
        let (revision, accepted) = pushed.publish(bundle)?;
        if place % 2 == 0 {
            acks.push(pushed.wait_for_acks(revision, accepted)?);
            // An ACK is worth what it promises.
            probes.wait_for(revision, accepted)?;
        } else {
            verdicts.push(probes.wait_for(revision, accepted)?);
            pushed.wait_for_acks(revision, accepted)?;
        }
        record.answers_checked += probes.len();
    }
    Ok((acks, verdicts))
}

fn measure_discovered(
    rules: usize,
    workers: usize,
    samples: usize,
    folder: &Path,
    record: &mut Record,
) -> Result<()> {
    let mut discovered = Discovered::start(workers, folder, &rules_of(1, rules))?;
    let mut revision = 1;
    for circumstance in ["idle", "under load"] {
        let load = (circumstance != "idle").then(|| Load::start(discovered.envoy.listener()));
        let mut probes = Probes::open(discovered.envoy.listener())?;
        let mut verdicts = Vec::new();
        for _ in 0..samples.div_ceil(2) {
            revision += 1;
            let changed = discovered.update(&rules_of(revision, rules))?;
            verdicts.push(probes.wait_for(revision, changed)?);
            record.answers_checked += probes.len();
        }
        let place = Place {
            group: group(workers, circumstance),
            series: "Lua by ECDS",
            rules,
        };
        add(record, &place, VERDICT, verdicts);
        if let Some(load) = load {
            record.answers_checked += load.finish()?;
        }
    }
    Ok(())
}

/// A few rules change beside a long list that does not.
pub(super) fn measure_list(options: &Options, folder: &Path, record: &mut Record) -> Result<()> {
    let builds = Builds::new(&fresh(folder, "keys-list")?)?;
    let list: String = (0..options.listed)
        .map(|each| format!("entry-{each}\n"))
        .collect();
    let samples = options.sizes.last().map_or(1, |(_, samples)| *samples) as u64;
    let bundles: Vec<Vec<u8>> = (1..=samples + 1)
        .map(|revision| builds.build(revision, &rules_of(revision, RULES_BESIDE_LIST), &list))
        .collect::<Result<_>>()?;
    let Some((first, rest)) = bundles.split_first() else {
        return Ok(());
    };
    let here = fresh(folder, "pushed-list")?;
    let mut pushed = Pushed::start(&options.pusher, &builds, 2, &here, first)?;
    let (acks, _) = swap(&mut pushed, rest, record)?;
    let place = Place {
        group: format!("beside an unchanged list of {} strings", options.listed),
        series: "riskgate, 2 workers, idle",
        rules: RULES_BESIDE_LIST,
    };
    record.add(figure(
        &place,
        ("size", "bytes"),
        first.len() as f64,
        (None, 1),
    ));
    add(record, &place, ACK, acks);
    Ok(())
}

/// Envoy's memory while revisions follow each other.
pub(super) fn measure_memory(options: &Options, folder: &Path, record: &mut Record) -> Result<()> {
    let builds = Builds::new(&fresh(folder, "keys-memory")?)?;
    let build = |revision| builds.build(revision, &rules_of(revision, RULES_IN_MEMORY), "");
    let here = fresh(folder, "pushed-memory")?;
    let mut pushed = Pushed::start(&options.pusher, &builds, 2, &here, &build(1)?)?;
    for swap in 1..=options.swaps {
        let (revision, accepted) = pushed.publish(&build(swap as u64 + 1)?)?;
        pushed.wait_for_acks(revision, accepted)?;
        if swap == options.swaps / SETTLED || swap == options.swaps {
            let resident_kb = pushed.envoy.memory()?.resident_kb;
            let place = Place {
                group: "memory of Envoy over swaps".to_owned(),
                series: "riskgate, 2 workers",
                rules: RULES_IN_MEMORY,
            };
            let metric = format!("resident after {swap} swaps");
            let mib = resident_kb as f64 / 1024.0;
            record.add(figure(&place, (&metric, "MiB"), mib, (None, 1)));
        }
    }
    Ok(())
}

fn group(workers: usize, circumstance: &str) -> String {
    let plural = if workers == 1 { "" } else { "s" };
    format!("{workers} worker{plural}, {circumstance}")
}

/// Median and p99 of what something took.
fn add(record: &mut Record, place: &Place, metric: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let ms = |index: usize| took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e3);
    let last = took.len().saturating_sub(1);
    let spread = Some((ms(0), ms(last)));
    let samples = took.len() as u64;
    let rank = (took.len() * 99).div_ceil(100);
    let (median, p99) = (format!("{metric}, median"), format!("{metric}, p99"));
    record.add(figure(
        place,
        (&median, "ms"),
        ms(took.len() / 2),
        (spread, samples),
    ));
    record.add(figure(
        place,
        (&p99, "ms"),
        ms(rank.saturating_sub(1)),
        (None, samples),
    ));
}

fn figure(
    place: &Place,
    (metric, unit): (&str, &str),
    value: f64,
    (spread, samples): (Option<(f64, f64)>, u64),
) -> Measurement {
    Measurement {
        group: place.group.clone(),
        metric: metric.to_owned(),
        unit: unit.to_owned(),
        series: place.series.to_owned(),
        rules: place.rules as u64,
        value,
        low: spread.map(|(low, _)| low),
        high: spread.map(|(_, high)| high),
        samples,
    }
}
