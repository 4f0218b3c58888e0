//! The run: acts until the time is over, or until something was wrong.

use std::time::{Duration, Instant};

use anyhow::Result;
use riskgate_e2e::random::Random;

use crate::{acts::Act, ground::Ground, summary::Summary};

/// How often memory is looked at, and progress told.
const LOOK: Duration = Duration::from_secs(2);
const PROGRESS: Duration = Duration::from_secs(60);

/// When a run without faults ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Time(Duration),
    /// After so many swaps, and nothing else is done.
    Swaps(u64),
}

impl End {
    fn is_reached(self, elapsed: Duration, revisions: u64) -> bool {
        match self {
            End::Time(time) => elapsed >= time,
            End::Swaps(swaps) => revisions > swaps,
        }
    }

    fn next_act(self, random: &mut Random) -> Act {
        match self {
            End::Time(_) => Act::pick(random),
            End::Swaps(_) => Act::Swap,
        }
    }
}

pub(crate) fn run(seed: u64, end: End) -> Result<Summary> {
    let mut ground = Ground::new()?;
    let mut random = Random::new(seed);
    let mut summary = Summary::new(seed, &ground.folder);
    let begun = Instant::now();
    let (mut looked, mut told) = (begun, begun);
    eprintln!("seed {seed}, {end:?}, logs in {}", ground.folder.display());
    while !end.is_reached(begun.elapsed(), ground.revision()) && summary.faults.is_empty() {
        let act = end.next_act(&mut random);
        match act.perform(&mut ground, &mut random) {
            Ok(settled) => summary.note(act, settled),
            Err(error) => summary.faults.push(format!("{act:?}: {error:#}")),
        }
        let tally = ground.load.tally();
        if tally.violations > 0 {
            let last = format!(
                "{} answers were wrong by the end of {act:?}",
                tally.violations
            );
            summary.faults.push(last);
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            summary.memory_kb.push(ground.envoy.memory()?.resident_kb);
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            eprintln!(
                "{} s: revision {}, {} answers, {:?} kB",
                begun.elapsed().as_secs(),
                ground.revision(),
                tally.answers(),
                summary.memory_kb.last()
            );
        }
    }
    finish(ground, summary, begun.elapsed())
}

fn finish(ground: Ground, mut summary: Summary, took: Duration) -> Result<Summary> {
    summary.took = took;
    summary.revisions = ground.revision();
    for (name, at_most) in [("decisions.missing", 0), ("config_errors", 0)] {
        let value = ground.envoy.metric(name)?;
        if value > at_most {
            summary.faults.push(format!("riskgate.{name} is {value}"));
        }
    }
    let Ground { load, envoy, .. } = ground;
    summary.tally = load.finish()?;
    summary.faults.extend(summary.tally.told.clone());
    if let Some(growth) = summary.growth() {
        summary.faults.push(growth);
    }
    drop(envoy);
    Ok(summary)
}
