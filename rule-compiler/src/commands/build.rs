//! `rulec build`: compile and sign a ruleset folder into a bundle.

use riskgate_compiler::build::{BuildOptions, build, build_unsigned};
use riskgate_compiler::cost::reckon;
use riskgate_compiler::ir::Ruleset;
use riskgate_compiler::keys::read_signing_key;
use riskgate_engine::admission::CLOCK_SKEW_S;
use riskgate_engine::bundle::{Bundle, is_name};

use super::check::analyse;
use super::cost;
use crate::args::BuildArgs;
use crate::failure::Failure;
use crate::output::tell;
use crate::replace::replace;
use crate::time::{describe_time, now_s, parse_epoch_s, parse_time_s};

/// No filter takes such a bundle yet.
pub(super) const UNSIGNED: &str = "; not signed yet, see `rulec sign`";

pub(crate) fn run(args: &BuildArgs) -> Result<(), Failure> {
    let issued_at_s = issued_at_s(args.issued_at.as_deref())?;
    warn_of_the_future(issued_at_s);
    if let Some(audience) = args
        .audience
        .as_deref()
        .filter(|audience| !is_name(audience))
    {
        return Err(Failure::unable(format!(
            "audience `{audience}` is not 1 to 63 of a-z, 0-9 and -"
        )));
    }
    let key = args.signer.key.as_deref().map(read_signing_key);
    let key = key.transpose().map_err(Failure::unable)?;
    let ruleset = analyse(&args.ruleset, args.attributes.as_deref())?;
    enforce_cost(&ruleset, args.max_cost)?;
    let options = BuildOptions {
        revision: args.revision,
        issued_at_s,
        audience: args.audience.as_deref(),
    };
    let built = match &key {
        Some(key) => build(&ruleset, &options, key),
        None => build_unsigned(&ruleset, &options),
    };
    let bytes = built.map_err(Failure::finding)?;
    replace(&args.output, &bytes)?;
    warn_of_the_last(args.revision);
    let bundle = Bundle::parse(&bytes).map_err(Failure::finding)?;
    tell(&format!(
        "{}: {} rules, revision {}, {} bytes, valid until {}, digest {}{}\n",
        ruleset.name,
        ruleset.rules.len(),
        args.revision,
        bytes.len(),
        describe_time(bundle.manifest().expires_at_s),
        bundle.digest(),
        if key.is_some() { "" } else { UNSIGNED },
    ));
    Ok(())
}

/// Fails if a request can cost more than `limit` steps.
fn enforce_cost(ruleset: &Ruleset, limit: Option<u64>) -> Result<(), Failure> {
    let Some(limit) = limit else {
        return Ok(());
    };
    let report = reckon(ruleset).map_err(Failure::finding)?;
    match cost::excess(&report, limit) {
        Some(excess) => Err(Failure::finding(excess)),
        None => Ok(()),
    }
}

/// The flag, else `SOURCE_DATE_EPOCH`, else now.
pub(super) fn issued_at_s(flag: Option<&str>) -> Result<u64, Failure> {
    if let Some(flag) = flag {
        return parse_time_s(flag, "--issued-at");
    }
    match std::env::var_os("SOURCE_DATE_EPOCH") {
        Some(epoch) => parse_epoch_s(&epoch.to_string_lossy()),
        None => Ok(now_s()),
    }
}

/// Filters take only a higher revision than the one they have.
fn warn_of_the_last(revision: u64) {
    if revision == u64::MAX {
        tell(&format!(
            "warning: no revision is higher than {revision}: a filter that takes this bundle takes no other one of the ruleset\n"
        ));
    }
}

/// Such a bundle is fine for tests, but no filter takes it before its time.
pub(super) fn warn_of_the_future(issued_at_s: u64) {
    if issued_at_s > now_s().saturating_add(CLOCK_SKEW_S) {
        tell(&format!(
            "warning: issued at {}, which the clock here has not reached: filters refuse the bundle until then\n",
            describe_time(issued_at_s)
        ));
    }
}
