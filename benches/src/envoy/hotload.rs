//! How soon new rules serve: riskgate's pushed ones, and the same as a Lua filter that Envoy discovers.
//!
//! # Method
//!
//! riskgate: a real pusher and a real Envoy. From the moment when the pusher has answered that it accepted a bundle to the
//! moment when its status shows that every VM (one a worker, and that of the main thread) serves it. Each revision has other
//! rules than the one before, so that most of it has to travel.
//!
//! Lua: Envoy's own Lua filter with the same rules, the indexed script of the part `envoy`, from extension config discovery
//! (ECDS) by a file; an update of the whole listener (LDS) would drain connections beside. From the moment when the file is
//! replaced to the moment when every one of a number of connections, more than there are workers, gets the new rules'
//! answer. riskgate is measured so, too, by every other revision.
//!
//! Under load two clients ask for something else all the time. Every answer is checked.

mod cells;
mod discovered;
mod load;
mod probes;
mod pushed;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::model::{Predicate, Rule, Shape, rules};
use crate::record::{Record, Run};

/// Above that many rules Lua does not take part: a worker would compile for seconds.
const LUA_RULES_MAX: usize = 10_000;

/// Rulesets that follow each other: one that comes again was replaced by others between.
const BASES: usize = 3;

/// The seed of all rules.
const SEED: u64 = 5;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The push service.
    pub pusher: PathBuf,
    /// Numbers of rules, and how many revisions of each are measured under each circumstance.
    pub sizes: Vec<(usize, usize)>,
    /// Numbers of workers.
    pub workers: Vec<usize>,
    /// Strings in the list beside a few rules.
    pub listed: usize,
    /// Swaps over which memory is looked at.
    pub swaps: usize,
    /// Whether the record counts.
    pub run: Run,
}

impl Options {
    /// For the record, or for a smoke run.
    #[must_use]
    pub fn of(run: Run, pusher: PathBuf) -> Options {
        let quick = run.is_quick();
        let full = [
            (1, 100),
            (100, 100),
            (1_000, 100),
            (10_000, 100),
            (100_000, 20),
        ];
        Options {
            pusher,
            sizes: match quick {
                true => vec![(1, 6), (1_000, 6)],
                false => full.to_vec(),
            },
            workers: if quick { vec![1, 2] } else { vec![1, 2, 8] },
            listed: if quick { 10_000 } else { 1_000_000 },
            swaps: if quick { 50 } else { 1_000 },
            run,
        }
    }
}

const NOTES: [&str; 4] = [
    "riskgate, ACK: from the pusher's answer to a publication until its status shows that every VM serves it, asked every 0.2 ms.",
    "riskgate and Lua, verdict: until every one of 16 connections gets the answer of the new rules, asked in turn.",
    "Each revision has other rules than the one before; a value is the median, in brackets the lowest and the highest, or the p99.",
    "Workers share the cores that the machine has with the pusher, the clients and the main thread.",
];

/// Runs everything, and writes the record.
///
/// # Errors
///
/// When something does not start, or an answer is not what the rules say.
pub fn run(options: &Options) -> Result<()> {
    let mut record = Record::begin("hotload", options.run)?;
    record.version("envoy", &super::process::version()?);
    for note in NOTES {
        record.note(note);
    }
    let folder = tempfile::tempdir()?;
    for &(rules, samples) in &options.sizes {
        cells::measure(options, rules, samples, folder.path(), &mut record)?;
    }
    cells::measure_list(options, folder.path(), &mut record)?;
    cells::measure_memory(options, folder.path(), &mut record)?;
    println!("{}", record.write()?.display());
    Ok(())
}

/// The rules of a revision: those of its base, and one that denies only what [`version_path`] names.
fn rules_of(revision: u64, count: usize) -> Vec<Rule> {
    let base = revision % BASES as u64;
    let mut all = rules(SEED + base, count.saturating_sub(1), Shape::Selective);
    all.push(Rule {
        id: "version".to_owned(),
        all: vec![Predicate::PathIs(version_path(revision))],
    });
    all
}

/// A path that this revision denies, and no other.
fn version_path(revision: u64) -> String {
    format!("/version/{revision}")
}

/// A folder of its own for each circumstance.
fn fresh(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
