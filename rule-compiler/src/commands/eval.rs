//! `rulec eval`: print the verdict of each request in a file.

use std::collections::BTreeSet;
use std::io::{self, BufWriter};
use std::path::Path;

use riskgate_compiler::build::load_unverified;
use riskgate_compiler::request_json::{self, OwnedRequest, RequestError};
use riskgate_compiler::session::Session;
use riskgate_compiler::verdict_json::{self, VerdictJson};
use serde::Serialize;
use serde_json::Value;

use crate::args::EvalArgs;
use crate::commands::inspect::custom_attributes;
use crate::failure::Failure;
use crate::output::{flush, print_line, read_bundle, read_text, tell};
use crate::time::{now_s, parse_time_s};

pub(crate) fn run(args: &EvalArgs) -> Result<(), Failure> {
    let at_s = args
        .at
        .as_deref()
        .map(|at| parse_time_s(at, "--at"))
        .transpose()?;
    let bytes = read_bundle(&args.bundle)?;
    let unusable = |reason: String| {
        Failure::finding(format!("cannot use `{}`: {reason}", args.bundle.display()))
    };
    let ruleset = load_unverified(&bytes, at_s).map_err(|error| unusable(error.to_string()))?;
    let attributes = custom_attributes(&bytes).map_err(unusable)?;
    let requests = read_requests(&args.requests, attributes.as_ref())?;
    if requests.is_empty() {
        tell(&format!(
            "note: there is no request in `{}`; write one a line, such as {{\"path\":\"/\"}}\n",
            args.requests.display()
        ));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let default_us = i64::try_from(at_s.unwrap_or_else(now_s))
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    let mut session = Session::new(&ruleset, default_us);
    for request in &requests {
        let line = session.decide_with(request, |verdict, request| {
            let reply = args.replies.then(|| verdict.reply(request));
            serde_json::to_string(&Line {
                verdict: VerdictJson::from(verdict),
                reply: reply.map(|reply| reply.as_ref().map(verdict_json::reply)),
            })
        });
        let line = line.map_err(Failure::unable)?;
        print_line(&mut out, &line)?;
    }
    flush(&mut out)
}

/// What is printed of a request.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    verdict: VerdictJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Option<Value>>,
}

/// All requests, before any verdict is printed: a bad line must not leave half an answer.
fn read_requests(
    path: &Path,
    attributes: Option<&BTreeSet<String>>,
) -> Result<Vec<OwnedRequest>, Failure> {
    let parse = |line: &str| {
        let request = request_json::parse(line)?;
        if let Some(declared) = attributes {
            request.check_attributes(declared)?;
        }
        Ok(request)
    };
    let text = read_text(path, "requests")?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            parse(line).map_err(|error: RequestError| {
                let place = format!("{}:{}", path.display(), index + 1);
                match spans_lines(&text) {
                    true => Failure::unable(format!(
                        "{place}: the request goes on in the next line; write each request on one line"
                    )),
                    false => Failure::unable(format!("{place}: {error}")),
                }
            })
        })
        .collect()
}

/// Whether a text is one JSON value on several lines, which no request is.
fn spans_lines(text: &str) -> bool {
    text.trim().contains('\n') && serde_json::from_str::<Value>(text).is_ok()
}
