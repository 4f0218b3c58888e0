//! `rulec eval`: print the verdict of each request in a file.

use std::io::{self, BufWriter, Read as _};
use std::path::Path;

use riskgate_compiler::build::load_unverified;
use riskgate_compiler::request_json::{self, OwnedRequest};
use riskgate_compiler::session::Session;

use crate::args::EvalArgs;
use crate::failure::Failure;
use crate::output::{flush, print_line, read_bundle};
use crate::time::{now_s, parse_time_s};

pub(crate) fn run(args: &EvalArgs) -> Result<(), Failure> {
    let at_s = args
        .at
        .as_deref()
        .map(|at| parse_time_s(at, "--at"))
        .transpose()?;
    let ruleset = load_unverified(&read_bundle(&args.bundle)?, at_s).map_err(|error| {
        Failure::finding(format!("cannot use `{}`: {error}", args.bundle.display()))
    })?;
    let requests = read_requests(&args.requests)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let default_us = i64::try_from(at_s.unwrap_or_else(now_s))
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    let mut session = Session::new(&ruleset, default_us);
    for request in &requests {
        let verdict = session.decide(request);
        let line = serde_json::to_string(&verdict).map_err(Failure::unable)?;
        print_line(&mut out, &line)?;
    }
    flush(&mut out)
}

/// All requests, before any verdict is printed: a bad line must not leave half an answer.
fn read_requests(path: &Path) -> Result<Vec<OwnedRequest>, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::unable(format!(
            "cannot read requests `{}`: {error}",
            path.display()
        ))
    })?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            request_json::parse(line).map_err(|error| {
                Failure::unable(format!("{}:{}: {error}", path.display(), index + 1))
            })
        })
        .collect()
}
