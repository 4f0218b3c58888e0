//! What a run was like.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use riskgate_e2e::Tally;

use crate::acts::Act;

/// What Envoy may grow by from the second quarter of a run to the last, kB.
const GROWTH_MAX_KB: u64 = 48 << 10;

/// Looks at memory that say something of growth.
const LOOKS_MIN: usize = 16;

pub(crate) struct Summary {
    seed: u64,
    folder: PathBuf,
    acts: BTreeMap<Act, u64>,
    /// Of acts without a fault, milliseconds.
    swaps_ms: Vec<u128>,
    pub(crate) took: Duration,
    pub(crate) revisions: u64,
    pub(crate) tally: Tally,
    pub(crate) memory_kb: Vec<u64>,
    /// What was wrong, a sentence each.
    pub(crate) faults: Vec<String>,
}

impl Summary {
    pub(crate) fn new(seed: u64, folder: &Path) -> Self {
        Summary {
            seed,
            folder: folder.to_owned(),
            acts: BTreeMap::new(),
            swaps_ms: Vec::new(),
            took: Duration::ZERO,
            revisions: 0,
            tally: Tally::default(),
            memory_kb: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, act: Act, settled: Duration) {
        *self.acts.entry(act).or_default() += 1;
        if act == Act::Swap {
            self.swaps_ms.push(settled.as_millis());
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// What is wrong with how memory went, if anything is.
    pub(crate) fn growth(&self) -> Option<String> {
        if self.memory_kb.len() < LOOKS_MIN {
            return None;
        }
        let quarter = self.memory_kb.len() / 4;
        let (early, late) = (self.median_kb(1, quarter)?, self.median_kb(3, quarter)?);
        let grown = late.saturating_sub(early);
        (grown > GROWTH_MAX_KB).then(|| format!("Envoy grew from {early} to {late} kB"))
    }

    fn median_kb(&self, quarter: usize, len: usize) -> Option<u64> {
        let mut part: Vec<u64> = self
            .memory_kb
            .iter()
            .skip(quarter * len)
            .take(len)
            .copied()
            .collect();
        part.sort_unstable();
        part.get(part.len() / 2).copied()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut swaps = self.swaps_ms.clone();
        swaps.sort_unstable();
        let place = |share: usize| (swaps.len() * share / 100).min(swaps.len().saturating_sub(1));
        let quantile = |share: usize| swaps.get(place(share)).unwrap_or(&0);
        writeln!(f, "seed {}, {} s", self.seed, self.took.as_secs())?;
        let tally = &self.tally;
        writeln!(
            f,
            "swaps: {}; revisions that answered requests: {}",
            self.revisions.saturating_sub(1),
            tally.by_revision.len()
        )?;
        writeln!(
            f,
            "a swap until every VM said so, ms: median {}, p99 {}, longest {}",
            quantile(50),
            quantile(99),
            quantile(100)
        )?;
        writeln!(
            f,
            "verdicts checked: {}; wrong: {}",
            tally.answers() - tally.trapped,
            tally.violations
        )?;
        writeln!(
            f,
            "answers 5xx of ours: {}; of Envoy's for a VM that trapped: {}",
            tally.server_errors, tally.trapped
        )?;
        let (first, last) = (self.memory_kb.first(), self.memory_kb.last());
        let (first, last) = (first.unwrap_or(&0), last.unwrap_or(&0));
        let most = self.memory_kb.iter().max().unwrap_or(&0);
        let judged = match self.growth() {
            _ if self.memory_kb.len() < LOOKS_MIN => "too short a run to say whether it is flat",
            None => "flat",
            Some(_) => "it grew",
        };
        writeln!(
            f,
            "Envoy's memory, kB: first {first}, last {last}, most {most}: {judged}"
        )?;
        for (act, times) in &self.acts {
            writeln!(f, "  {act:?}: {times}")?;
        }
        if self.is_good() {
            return writeln!(f, "no violation");
        }
        for fault in &self.faults {
            writeln!(f, "VIOLATION: {fault}")?;
        }
        writeln!(
            f,
            "again: cargo xtask soak --seed {}; the logs are in {}",
            self.seed,
            self.folder.display()
        )
    }
}
