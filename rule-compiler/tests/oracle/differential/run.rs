//! The run itself: threads take cases in order until there have been pairs enough.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::finding::{Agreed, Finding, compare};
use super::minimize::minimize;
use super::print::report;
use super::schedule::{Kind, Task};

/// What to run.
pub(super) struct Options {
    pub(super) pairs: u64,
    pub(super) seed: u64,
    /// Only the case at this place.
    pub(super) only: Option<u64>,
    pub(super) max_rules: usize,
    /// Without progress.
    pub(super) quiet: bool,
}

/// What a run without a difference has asked.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) pairs: u64,
    /// Pairs in which at least one rule matched.
    pub(super) matched: u64,
    matches: u64,
    kinds: BTreeMap<Kind, Cost>,
    elapsed: Duration,
}

/// What the cases of one kind took.
#[derive(Debug, Default)]
struct Cost {
    rulesets: u64,
    pairs: u64,
    /// Of one thread.
    time: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} pairs without a difference in {:.0} s; a rule matched in {:.1} % of them, {} matches in all",
            self.pairs,
            self.elapsed.as_secs_f64(),
            100.0 * self.matched as f64 / self.pairs.max(1) as f64,
            self.matches,
        )?;
        for (
            kind,
            Cost {
                rulesets,
                pairs,
                time,
            },
        ) in &self.kinds
        {
            let name = match kind {
                Kind::Mixed => "of every kind of condition".to_owned(),
                Kind::Counted => "with counters".to_owned(),
                Kind::Dense(rules) => format!("of {rules} rules"),
            };
            let seconds = time.as_secs_f64();
            writeln!(
                f,
                "  {rulesets} rulesets {name}: {pairs} pairs, {seconds:.0} s of a thread"
            )?;
        }
        Ok(())
    }
}

/// What the threads share.
struct Progress {
    next: u64,
    /// Pairs of the cases given out.
    given: u64,
    working: usize,
    agreed: Agreed,
    kinds: BTreeMap<Kind, Cost>,
    finding: Option<(Task, Box<Finding>)>,
}

struct Shared<'a> {
    options: &'a Options,
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// Asks until there have been pairs enough, or gives the report of the first difference.
pub(super) fn run(options: &Options) -> Result<Summary, String> {
    let begun = Instant::now();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let shared = Shared {
        options,
        progress: Mutex::new(Progress {
            next: options.only.unwrap_or(0),
            given: 0,
            working: threads,
            agreed: Agreed::default(),
            kinds: BTreeMap::new(),
            finding: None,
        }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&shared));
        }
        shared.watch(begun);
    });
    let progress = shared
        .progress
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    match progress.finding {
        Some((task, finding)) => Err(report(options.seed, &task, &minimize(*finding))),
        None => Ok(Summary {
            pairs: progress.agreed.pairs,
            matched: progress.agreed.matched,
            matches: progress.agreed.matches,
            kinds: progress.kinds,
            elapsed: begun.elapsed(),
        }),
    }
}

fn work(shared: &Shared<'_>) {
    let _working = Working(shared);
    while let Some(task) = shared.take() {
        let begun = Instant::now();
        let compared = compare(task.case());
        shared.note(task, compared, begun.elapsed());
    }
}

/// Tells at its end that a thread has ended, by a panic too.
struct Working<'a>(&'a Shared<'a>);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.lock().working -= 1;
        self.0.changed.notify_all();
    }
}

impl Shared<'_> {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next case, until there have been enough or one has shown a difference.
    fn take(&self) -> Option<Task> {
        let mut progress = self.lock();
        let alone_and_done = self.options.only.is_some() && progress.given > 0;
        if progress.finding.is_some() || progress.given >= self.options.pairs || alone_and_done {
            return None;
        }
        let task = Task::new(self.options.seed, progress.next, self.options.max_rules);
        progress.next += 1;
        progress.given += u64::try_from(task.requests).expect("a count of requests");
        Some(task)
    }

    fn note(&self, task: Task, compared: Result<Agreed, Box<Finding>>, time: Duration) {
        let mut progress = self.lock();
        match compared {
            Ok(agreed) => {
                progress.agreed.pairs += agreed.pairs;
                progress.agreed.matched += agreed.matched;
                progress.agreed.matches += agreed.matches;
                let cost = progress.kinds.entry(task.kind).or_default();
                cost.rulesets += 1;
                cost.pairs += agreed.pairs;
                cost.time += time;
            }
            // Cases end in any order; the first of the run is the one to tell.
            Err(finding) => {
                let first = progress
                    .finding
                    .as_ref()
                    .is_none_or(|(other, _)| task.at < other.at);
                if first {
                    progress.finding = Some((task, finding));
                }
            }
        }
    }

    /// Tells how far it is until the threads have ended.
    fn watch(&self, begun: Instant) {
        let mut progress = self.lock();
        while progress.working > 0 {
            let (woken, waited) = self
                .changed
                .wait_timeout(progress, Duration::from_secs(5))
                .unwrap_or_else(PoisonError::into_inner);
            progress = woken;
            if waited.timed_out() && !self.options.quiet {
                eprintln!(
                    "{:>9} of {} pairs, {} rulesets, {:.0} s",
                    progress.agreed.pairs,
                    self.options.pairs,
                    progress
                        .kinds
                        .values()
                        .map(|cost| cost.rulesets)
                        .sum::<u64>(),
                    begun.elapsed().as_secs_f64()
                );
            }
        }
    }
}
