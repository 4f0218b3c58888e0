//! `rulec build`: compile and sign a ruleset folder into a bundle.

use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::keys::read_signing_key;
use riskgate_engine::bundle::{Bundle, is_name};

use super::check::analyse;
use crate::args::BuildArgs;
use crate::failure::Failure;
use crate::output::{describe_time, now_s, parse_time_s, write_atomically};

pub(crate) fn run(args: &BuildArgs) -> Result<(), Failure> {
    let issued_at_s = issued_at_s(args.issued_at.as_deref())?;
    if let Some(audience) = args
        .audience
        .as_deref()
        .filter(|audience| !is_name(audience))
    {
        return Err(Failure::unable(format!(
            "audience `{audience}` is not 1 to 63 of a-z, 0-9 and -"
        )));
    }
    let key = read_signing_key(&args.key).map_err(Failure::unable)?;
    let ruleset = analyse(&args.ruleset)?;
    let options = BuildOptions {
        revision: args.revision,
        issued_at_s,
        audience: args.audience.as_deref(),
    };
    let bytes = build(&ruleset, &options, &key).map_err(Failure::finding)?;
    write_atomically(&args.output, &bytes)?;
    let bundle = Bundle::parse(&bytes).map_err(Failure::finding)?;
    eprintln!(
        "{}: {} rules, revision {}, {} bytes, valid until {}, digest {}",
        ruleset.name,
        ruleset.rules.len(),
        args.revision,
        bytes.len(),
        describe_time(bundle.manifest().expires_at_s),
        bundle.digest(),
    );
    Ok(())
}

/// The flag, else `SOURCE_DATE_EPOCH`, else now.
fn issued_at_s(flag: Option<&str>) -> Result<u64, Failure> {
    if let Some(flag) = flag {
        return parse_time_s(flag, "--issued-at");
    }
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(epoch) => parse_time_s(&epoch, "SOURCE_DATE_EPOCH"),
        Err(_) => Ok(now_s()),
    }
}
