//! Runs tests: asks for the verdict of each request, under a clock of the test's own.

use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use serde_json::Value;

use super::coverage::Coverage;
use super::model::{Case, Check, Expectation, Key, START_US, Step};
use super::report::{CaseReport, FailedStep, Mismatch, Report, Why};
use crate::ir;
use crate::request_json::OwnedRequest;
use crate::session::Session;
use crate::verdict_json::VerdictJson;

/// What is known of a verdict: keys with their values, in the shape of a verdict as JSON.
pub type Known = Vec<(Key, Value)>;

/// Who decides the requests of a test.
pub trait Decider {
    /// Forgets what earlier tests left: nothing has been counted when a test begins.
    fn begin(&mut self);

    /// The verdict of a request at a time, in microseconds since the Unix epoch. Times never run backwards in a test.
    ///
    /// # Errors
    ///
    /// If there is no verdict, says why.
    fn decide(&mut self, request: &OwnedRequest, at_us: i64) -> Result<Known, String>;
}

/// The engine, as `rulec` has it linked in. It shows every key of a verdict, and counts exactly.
#[derive(Debug)]
pub struct Native<'r> {
    ruleset: &'r LoadedRuleset,
    session: Session<'r>,
    coverage: Option<Coverage>,
}

impl<'r> Native<'r> {
    /// Decides by this ruleset.
    #[must_use]
    pub fn new(ruleset: &'r LoadedRuleset) -> Native<'r> {
        Native {
            ruleset,
            session: Session::new(ruleset, START_US),
            coverage: None,
        }
    }

    /// The same, and notes what the tests cover.
    #[must_use]
    pub fn covering(ruleset: &'r LoadedRuleset, coverage: Coverage) -> Native<'r> {
        Native {
            coverage: Some(coverage),
            ..Native::new(ruleset)
        }
    }

    /// What the tests covered, if that was noted.
    #[must_use]
    pub fn into_coverage(self) -> Option<Coverage> {
        self.coverage
    }
}

impl Decider for Native<'_> {
    fn begin(&mut self) {
        self.session = Session::new(self.ruleset, START_US);
    }

    fn decide(&mut self, request: &OwnedRequest, at_us: i64) -> Result<Known, String> {
        let Native {
            session, coverage, ..
        } = self;
        let Some(coverage) = coverage else {
            let verdict =
                session.decide_at(request, at_us, |verdict, _| VerdictJson::from(verdict));
            return known(&verdict);
        };
        let (verdict, atoms) =
            session.atoms_at(request, at_us, |verdict, _| VerdictJson::from(verdict));
        coverage.note(&verdict, &atoms);
        known(&verdict)
    }
}

/// All keys of a verdict.
fn known(verdict: &VerdictJson) -> Result<Known, String> {
    let verdict = serde_json::to_value(verdict).map_err(|error| error.to_string())?;
    let value = |key: Key| Some((key, verdict.get(key.name())?.clone()));
    Ok(Key::ALL.into_iter().filter_map(value).collect())
}

/// Runs tests one after the other.
///
/// # Errors
///
/// If the decider gives no verdict.
pub fn run(
    cases: &[Case],
    ruleset: &ir::Ruleset,
    decider: &mut impl Decider,
) -> Result<Report, String> {
    let reports = cases.iter().map(|case| run_case(case, ruleset, decider));
    Ok(Report {
        ruleset: ruleset.name.clone(),
        cases: reports.collect::<Result<_, _>>()?,
    })
}

fn run_case(
    case: &Case,
    ruleset: &ir::Ruleset,
    decider: &mut impl Decider,
) -> Result<CaseReport, String> {
    decider.begin();
    let mut clock_us = START_US;
    let mut is_first = true;
    let mut report = CaseReport::new(case);
    for (index, step) in case.steps.iter().enumerate() {
        // Only the first request may lie before the fixed start; the front end has refused later ones that go back.
        let own_us = step.request.time_us();
        clock_us = own_us.map_or(
            clock_us,
            |own| if is_first { own } else { own.max(clock_us) },
        );
        is_first = false;
        let mut failed: Option<FailedStep> = None;
        for time in 1..=step.repeat {
            let known = decider
                .decide(&step.request, clock_us)
                .map_err(|error| format!("{}: {error}", step.place))?;
            report.request_count += 1;
            report.untold_count += untold(step, &known);
            if let Some(found) = judge(step, &known, ruleset, clock_us) {
                match &mut failed {
                    Some(failed) => failed.failed_count += 1,
                    None => {
                        failed = Some(FailedStep {
                            step: case.is_sequence.then_some(index + 1),
                            time,
                            of: step.repeat,
                            ..found
                        });
                    }
                }
            }
            clock_us = clock_us.saturating_add(step.every_us);
        }
        report.failures.extend(failed);
    }
    Ok(report)
}

/// What is wrong with a verdict, if anything is.
fn judge(step: &Step, known: &Known, ruleset: &ir::Ruleset, at_us: i64) -> Option<FailedStep> {
    let expectation = step.expect.as_ref()?;
    let mismatches = mismatches(expectation, known);
    if mismatches.is_empty() {
        return None;
    }
    Some(FailedStep {
        place: expectation.place.clone(),
        step: None,
        time: 1,
        of: 1,
        failed_count: 1,
        at_us,
        why: Why::new(known, &mismatches, ruleset, at_us),
        request: step.written.clone(),
        verdict: known.clone(),
        mismatches,
    })
}

/// How many expectations are of what the decider does not show.
fn untold(step: &Step, known: &Known) -> u64 {
    let checks = step.expect.iter().flat_map(|expected| &expected.checks);
    let is_told = |check: &&Check| known.iter().any(|(key, _)| *key == check.key);
    checks.filter(|check| !is_told(check)).count() as u64
}

fn mismatches(expectation: &Expectation, known: &Known) -> Vec<Mismatch> {
    expectation
        .checks
        .iter()
        .filter_map(|check| {
            // What a decider does not show it cannot be asked about.
            let (_, actual) = known.iter().find(|(key, _)| *key == check.key)?;
            let is_met = match check.key {
                Key::Matched | Key::Shadowed => sorted(actual) == sorted(&check.expected),
                _ => *actual == check.expected,
            };
            (!is_met).then(|| Mismatch {
                key: check.key,
                expected: check.expected.clone(),
                actual: actual.clone(),
                place: check.place.clone(),
            })
        })
        .collect()
}

/// The ids of a list: an author need not know in which order files are read.
fn sorted(ids: &Value) -> Vec<&str> {
    let ids = ids.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids: Vec<&str> = ids.iter().filter_map(Value::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
