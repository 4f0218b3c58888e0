//! `rulec verify`: tell whether a filter would load a bundle.

use riskgate_compiler::keys::read_public_key;
use riskgate_engine::admission::Admission;
use riskgate_engine::bundle::{Bundle, Digest};
use riskgate_engine::ruleset::Ruleset;
use riskgate_engine::trust::TrustedKeys;

use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::output::{print_line, read_bundle};
use crate::time::{describe_time, now_s, parse_time_s};

pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let keys = args
        .trust
        .iter()
        .map(|path| read_public_key(path))
        .collect::<Result<Vec<_>, _>>();
    let trust = TrustedKeys::new(&keys.map_err(Failure::unable)?, args.threshold)
        .map_err(Failure::unable)?;
    let now_s = match &args.at {
        Some(at) => parse_time_s(at, "--at")?,
        None => now_s(),
    };
    let bytes = read_bundle(&args.bundle)?;
    let ruleset = load(args, &trust, now_s, &bytes).map_err(|reason| {
        Failure::finding(format!("`{}` is refused: {reason}", args.bundle.display()))
    })?;
    let restores = restores(&bytes).map(|digest| format!(", restores {digest}"));
    let line = format!(
        "ok: {} revision {}, {} rules, valid until {}, digest {}{}",
        ruleset.name(),
        ruleset.revision(),
        ruleset.rule_count(),
        describe_time(ruleset.expires_at_s()),
        ruleset.digest(),
        restores.unwrap_or_default(),
    );
    print_line(&mut std::io::stdout().lock(), &line)
}

/// Of an emergency rollback.
fn restores(bytes: &[u8]) -> Option<Digest> {
    Bundle::parse(bytes).ok()?.manifest().restores
}

/// What a filter with these settings would do that holds no bundle yet; but an expired one is refused.
fn load(
    args: &VerifyArgs,
    trust: &TrustedKeys,
    now_s: u64,
    bytes: &[u8],
) -> Result<Ruleset, String> {
    let bundle = Bundle::parse(bytes).map_err(|error| format!("{error} [malformed]"))?;
    let admission = Admission {
        trust,
        ruleset: args.ruleset.as_deref().unwrap_or(bundle.manifest().ruleset),
        audience: args.audience.as_deref(),
        min_revision: args.min_revision,
        now_s,
        mark: None,
    };
    let tell =
        |refusal: riskgate_engine::admission::Refusal| format!("{refusal} [{}]", refusal.code());
    let admitted = admission.admit(bytes).map_err(tell)?;
    if admitted.is_expired() {
        let expired_at = describe_time(bundle.manifest().expires_at_s);
        return Err(format!("expired at {expired_at}; build it again [expired]"));
    }
    Ruleset::load(&admitted).map_err(tell)
}
