//! `rulec replay`: decide recorded traffic, and tell what a bundle does with it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use riskgate_compiler::build::load_unverified;
use riskgate_compiler::replay::{Form, Limits, Plan, Progress, Report, Tally, replay};
use riskgate_compiler::request_json::access_log::Mapping;
use riskgate_engine::ruleset::Ruleset;

use crate::args::{Format, OnBadLine, ReplayArgs, Traffic};
use crate::commands::inspect::custom_attributes;
use crate::failure::Failure;
use crate::output::{flush, print_line, read_bundle, tell};
use crate::time::{now_s, parse_time_s};

/// More threads than this gain nothing: one reads for all of them.
const THREADS_MAX: usize = 16;
/// How often the line that shows progress is written anew.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let at = args.at.as_deref();
    let at_s = at.map(|at| parse_time_s(at, "--at")).transpose()?;
    let form = form(args)?;
    let (ruleset, attributes) = load(&args.bundle, at_s)?;
    let baseline = args.baseline.as_deref().map(|path| load(path, at_s));
    let (baseline, other_attributes) = baseline.transpose()?.unzip();
    let plan = Plan {
        ruleset: &ruleset,
        baseline: baseline.as_ref(),
        custom_attributes: match other_attributes {
            None => attributes,
            // Traffic has what either of them knows.
            Some(others) => attributes.zip(others).map(|(own, others)| &own | &others),
        },
        form,
        skips_bad_lines: args.on_bad_line == OnBadLine::Skip,
        examples: args.examples.into(),
        default_time_us: i64::try_from(at_s.unwrap_or_else(now_s))
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000),
        threads: thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX)),
    };
    let tally = read(args, &plan)?;
    warn(args, &tally);
    let limits = Limits {
        max_deny_percent: args.max_deny_rate,
        max_change_percent: args.max_change,
    };
    let report = Report::new(&tally, &plan, &limits);
    if tally.requests == 0 {
        let name = args.traffic.display();
        let help = if tally.without_request > 0 {
            "; its lines have no path: say which field has it with --map request.path=FIELD"
        } else {
            ""
        };
        return Err(Failure::unable(format!(
            "traffic `{name}` holds no request{help}"
        )));
    }
    print(&report, args.format)?;
    warn_of_unseen(&report);
    judge(&report)
}

/// A bundle, and the custom attributes that it was built with, if that is known.
fn load(path: &Path, at_s: Option<u64>) -> Result<(Ruleset, Option<BTreeSet<String>>), Failure> {
    let bytes = read_bundle(path)?;
    let unusable =
        |reason: String| Failure::finding(format!("cannot use `{}`: {reason}", path.display()));
    let ruleset = load_unverified(&bytes, at_s).map_err(|error| unusable(error.to_string()))?;
    Ok((ruleset, custom_attributes(&bytes).map_err(unusable)?))
}

/// A mapping says enough: no other form has one.
fn form(args: &ReplayArgs) -> Result<Form, Failure> {
    let has_mapping = args.map_file.is_some() || !args.map.is_empty();
    if args.from == Traffic::Requests && !has_mapping {
        return Ok(Form::Requests);
    }
    let mut mapping = Mapping::default();
    if let Some(path) = &args.map_file {
        let name = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::unable(format!("cannot read mapping `{name}`: {error}")))?;
        mapping
            .set_all(&text)
            .map_err(|(line, error)| Failure::unable(format!("{name}:{line}: {error}")))?;
    }
    for map in &args.map {
        mapping.set(map).map_err(Failure::unable)?;
    }
    Ok(Form::AccessLog(mapping))
}

fn read(args: &ReplayArgs, plan: &Plan<'_>) -> Result<Tally, Failure> {
    let name = args.traffic.display();
    let unable = |error: &dyn std::fmt::Display| {
        Failure::unable(format!("cannot read traffic `{name}`: {error}"))
    };
    if args.traffic == Path::new("-") {
        return run_over(&mut io::stdin().lock(), None, plan).map_err(|error| unable(&error));
    }
    let file = File::open(&args.traffic).map_err(|error| unable(&error))?;
    let length = file.metadata().ok().map(|metadata| metadata.len());
    let mut traffic = BufReader::with_capacity(1 << 20, file);
    run_over(&mut traffic, length, plan).map_err(|error| unable(&error))
}

fn run_over(
    traffic: &mut impl BufRead,
    length: Option<u64>,
    plan: &Plan<'_>,
) -> Result<Tally, riskgate_compiler::replay::ReplayError> {
    let mut line = ProgressLine::new(length);
    let tally = replay(traffic, plan, |progress| line.show(progress));
    line.clear();
    tally
}

/// A line on the terminal that shows how far it has come; nothing where standard error is no terminal.
struct ProgressLine {
    is_shown: bool,
    length: Option<u64>,
    started: Instant,
    last: Option<Instant>,
}

impl ProgressLine {
    fn new(length: Option<u64>) -> ProgressLine {
        ProgressLine {
            is_shown: io::stderr().is_terminal(),
            length: length.filter(|length| *length > 0),
            started: Instant::now(),
            last: None,
        }
    }

    fn show(&mut self, progress: Progress) {
        let is_due = self
            .last
            .is_none_or(|last| last.elapsed() >= PROGRESS_EVERY);
        if !self.is_shown || !is_due {
            return;
        }
        self.last = Some(Instant::now());
        let Progress { lines, bytes } = progress;
        let share = self.length.map(|length| bytes.saturating_mul(100) / length);
        let share = share.map_or_else(String::new, |share| format!("{share:>3} %  "));
        let seconds = self.started.elapsed().as_secs();
        tell(&format!("\r{share}{lines} lines  {seconds} s"));
    }

    fn clear(&self) {
        if self.last.is_some() {
            tell("\r\x1b[K");
        }
    }
}

/// The first bad lines that were skipped.
fn warn(args: &ReplayArgs, tally: &Tally) {
    for bad in &tally.bad {
        tell(&format!("warning: {}: {bad}\n", args.traffic.display()));
    }
    let more = tally.bad_lines - tally.bad.len() as u64;
    if more > 0 {
        tell(&format!("warning: and {more} bad lines more\n"));
    }
}

/// Rules that read what the traffic does not record match less often than they will live, or more often.
fn warn_of_unseen(report: &Report) {
    if !report.never_seen().is_empty() {
        tell(&format!(
            "warning: no request of the traffic has {}, which rules or counters read; if it is only not recorded, the filter \
             will decide otherwise: record it, or name its field with --map\n",
            report.never_seen().join(", ")
        ));
    }
}

fn print(report: &Report, format: Format) -> Result<(), Failure> {
    let text = match format {
        Format::Human => report.human(),
        Format::Json => serde_json::to_string_pretty(report).map_err(Failure::unable)?,
    };
    let mut out = io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)
}

fn judge(report: &Report) -> Result<(), Failure> {
    let exceeded: Vec<String> = report
        .exceeded()
        .iter()
        .map(|exceeded| {
            format!(
                "{} allows {} %, and it is {:.4} %",
                exceeded.limit, exceeded.percent, exceeded.found_percent
            )
        })
        .collect();
    if exceeded.is_empty() {
        return Ok(());
    }
    Err(Failure::finding(exceeded.join("; ")))
}
