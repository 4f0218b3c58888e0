//! Replays recorded traffic against a ruleset, or against two of them to see what changes.
//!
//! Lines are read block by block, so that memory does not grow with the traffic. The blocks of a round are parsed at once,
//! then each request gets its time in the order of the lines, since time never runs backwards, and then they are decided at
//! once. What is told is the same on any number of processors.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::thread;

use riskgate_engine::ruleset::Ruleset;
use thiserror::Error;

use crate::request_json::access_log::{LogError, Mapping, is_log_line};
use crate::request_json::{self, OwnedRequest, RequestError};

mod block;
mod report;
mod tally;
mod unseen;

pub use block::LINE_LEN_MAX;
pub use report::{Exceeded, Limits, Report};
pub use tally::{Answer, By, Change, Example, Tally};

use block::{Block, read_block};
use tally::{Sides, never_seen};

/// How traffic is written.
#[derive(Debug, Clone)]
pub enum Form {
    /// The request JSON of docs/rule-language.md.
    Requests,
    /// Envoy's access log.
    AccessLog(Mapping),
}

/// What to replay against what.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The ruleset in question.
    pub ruleset: &'a Ruleset,
    /// What it is compared with.
    pub baseline: Option<&'a Ruleset>,
    /// The custom attributes that requests can have; nothing if that is not known.
    pub custom_attributes: Option<BTreeSet<String>>,
    /// How lines are read.
    pub form: Form,
    /// Whether lines that cannot be read are counted, and not an error.
    pub skips_bad_lines: bool,
    /// How many requests to keep for each kind of change.
    pub examples: usize,
    /// When a request without a time happens, microseconds since the Unix epoch.
    pub default_time_us: i64,
    /// On how many processors.
    pub threads: usize,
}

impl Plan<'_> {
    fn counts(&self) -> bool {
        let mut rulesets = self.baseline.into_iter().chain([self.ruleset]);
        rulesets.any(|ruleset| !ruleset.counters().is_empty())
    }
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Lines that were read.
    pub lines: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Why a replay stopped.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The traffic cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A line is no request.
    #[error(transparent)]
    Line(#[from] BadLine),
}

/// A line that is no request.
#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    /// Why.
    pub reason: LineError,
}

/// Why a line is no request.
#[derive(Debug, Error)]
pub enum LineError {
    /// Of the request JSON.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Of an access log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Of an access log, where requests are wanted.
    #[error("this is a line of an access log, not a request; read it with `--from envoy-log`")]
    IsLog,
    /// Text, such as Envoy's access log without a `json_format`.
    #[error(
        "not JSON; traffic is one JSON object a line: have Envoy write its access log with `json_format`"
    )]
    NotJson,
    /// Not UTF-8.
    #[error("not UTF-8; other bytes are written in base64, see `path_b64`")]
    NotText,
    /// So long that it can be no request.
    #[error("longer than {LINE_LEN_MAX} bytes")]
    TooLong,
}

/// A request of a block, with its line and the time at which it happens.
struct Placed {
    line: u64,
    time_us: i64,
    request: OwnedRequest,
}

/// A block's requests, and what of it are none.
#[derive(Default)]
struct Parsed {
    requests: Vec<Placed>,
    bad: Vec<BadLine>,
    without_request: u64,
}

/// Replays all lines of `traffic`.
///
/// # Errors
///
/// If the traffic cannot be read, or holds a line that is no request and such lines are not to be skipped.
pub fn replay(
    traffic: &mut impl BufRead,
    plan: &Plan<'_>,
    mut progress: impl FnMut(Progress),
) -> Result<Tally, ReplayError> {
    let mut tally = Tally::new(plan);
    let mut done = Progress { lines: 0, bytes: 0 };
    let mut clock_us = i64::MIN;
    let threads = plan.threads.max(1);
    // What is counted, all later requests see: then requests are decided one after the other.
    let side_count = if plan.counts() { 1 } else { threads };
    let mut sides: Vec<Sides<'_>> = (0..side_count).map(|_| Sides::new(plan)).collect();
    loop {
        let blocks = read_round(traffic, threads, &mut done)?;
        if blocks.is_empty() {
            tally.never_seen = never_seen(&sides);
            return Ok(tally);
        }
        let mut round = parse_round(&blocks, plan);
        for parsed in &mut round {
            if let Some(bad) = parsed.bad.pop_if(|_| !plan.skips_bad_lines) {
                return Err(bad.into());
            }
            tally.note_bad(std::mem::take(&mut parsed.bad));
            for placed in &mut parsed.requests {
                clock_us = clock_us.max(placed.time_us);
                placed.time_us = clock_us;
            }
        }
        let tallies = decide_round(&blocks, &round, &mut sides, plan);
        tallies.into_iter().for_each(|part| tally.add(part));
        progress(done);
    }
}

fn read_round(
    traffic: &mut impl BufRead,
    count: usize,
    done: &mut Progress,
) -> io::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for _ in 0..count {
        let Some(block) = read_block(traffic, done.lines + 1)? else {
            break;
        };
        done.lines += block.line_count();
        done.bytes += block.byte_count();
        blocks.push(block);
    }
    Ok(blocks)
}

fn parse_round(blocks: &[Block], plan: &Plan<'_>) -> Vec<Parsed> {
    at_once(blocks.iter().map(|block| move || parse_block(block, plan)))
}

/// Up to its first bad line, unless such are skipped.
fn parse_block(block: &Block, plan: &Plan<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for (line, text) in block.lines() {
        match parse_line(text, plan) {
            Ok(None) => parsed.without_request += 1,
            Ok(Some(request)) => parsed.requests.push(Placed {
                line,
                time_us: request.time_us().unwrap_or(plan.default_time_us),
                request,
            }),
            Err(reason) => {
                parsed.bad.push(BadLine { line, reason });
                if !plan.skips_bad_lines {
                    break;
                }
            }
        }
    }
    parsed
}

fn parse_line(
    line: Result<&[u8], LineError>,
    plan: &Plan<'_>,
) -> Result<Option<OwnedRequest>, LineError> {
    let text = str::from_utf8(line?).map_err(|_| LineError::NotText)?;
    let found = match &plan.form {
        Form::Requests => parse_request(text, plan).map(Some).map_err(LineError::from),
        Form::AccessLog(mapping) => mapping.read(text).map_err(LineError::from),
    };
    found.map_err(|error| explain(text, error))
}

fn parse_request(text: &str, plan: &Plan<'_>) -> Result<OwnedRequest, RequestError> {
    let request = request_json::parse(text)?;
    if let Some(declared) = &plan.custom_attributes {
        request.check_attributes(declared)?;
    }
    Ok(request)
}

/// What is most likely the matter with a line, where that is not in the line itself.
fn explain(text: &str, error: LineError) -> LineError {
    let is_text = !text.trim_start().starts_with('{');
    match error {
        LineError::Request(RequestError::Syntax { .. }) | LineError::Log(LogError::Json(_))
            if is_text =>
        {
            LineError::NotJson
        }
        LineError::Request(RequestError::UnknownKey { .. }) if is_log_line(text) => {
            LineError::IsLog
        }
        error => error,
    }
}

/// At once if there are sides for that, and else one block after the other.
fn decide_round(
    blocks: &[Block],
    round: &[Parsed],
    sides: &mut [Sides<'_>],
    plan: &Plan<'_>,
) -> Vec<Tally> {
    let work = blocks.iter().zip(round);
    match sides {
        [one] => work
            .map(|(block, parsed)| decide_block(block, parsed, one, plan))
            .collect(),
        sides => at_once(
            work.zip(sides)
                .map(|((block, parsed), own)| move || decide_block(block, parsed, own, plan)),
        ),
    }
}

fn decide_block(block: &Block, parsed: &Parsed, sides: &mut Sides<'_>, plan: &Plan<'_>) -> Tally {
    let mut tally = Tally::new(plan);
    tally.without_request += parsed.without_request;
    for placed in &parsed.requests {
        sides.decide(placed.time_us, &placed.request, |new, old| {
            tally.count(new, old, || Example {
                line: placed.line,
                request: example(block, placed, &plan.form),
            });
        });
    }
    tally
}

/// As it was recorded, or what was made of it.
fn example(block: &Block, placed: &Placed, form: &Form) -> serde_json::Value {
    let recorded = match form {
        Form::Requests => block.line(placed.line),
        Form::AccessLog(_) => None,
    };
    recorded
        .and_then(|line| serde_json::from_slice(line).ok())
        .unwrap_or_else(|| placed.request.to_json())
}

/// What each piece of work returns, in order; the first is done by this thread.
fn at_once<T: Send, F: FnOnce() -> T + Send>(work: impl Iterator<Item = F>) -> Vec<T> {
    let mut work = work;
    let Some(own) = work.next() else {
        return Vec::new();
    };
    thread::scope(|scope| {
        let others: Vec<_> = work.map(|work| scope.spawn(work)).collect();
        let mut results = vec![own()];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}
