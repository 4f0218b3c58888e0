//! `rulec rollback`: bring the rules of an old bundle back, under a new and higher revision.

use riskgate_compiler::keys::{read_public_key, read_signing_key};
use riskgate_compiler::rollback::{RollbackError, RollbackOptions, roll_back};
use riskgate_compiler::signing::Signing;
use riskgate_engine::bundle::{Bundle, Digest};
use riskgate_engine::trust::TrustedKeys;

use super::build::{UNSIGNED, issued_at_s, warn_of_the_future};
use crate::args::RollbackArgs;
use crate::failure::Failure;
use crate::output::{read_bundle, tell};
use crate::replace::replace;
use crate::time::describe_time;

pub(crate) fn run(args: &RollbackArgs) -> Result<(), Failure> {
    let issued_at_s = issued_at_s(args.issued_at.as_deref())?;
    warn_of_the_future(issued_at_s);
    let key = args.signer.key.as_deref().map(read_signing_key);
    let key = key.transpose().map_err(Failure::unable)?;
    let mut trusted = Vec::new();
    for path in &args.trust {
        trusted.push(read_public_key(path).map_err(Failure::unable)?);
    }
    if trusted.is_empty() {
        trusted.extend(key.as_ref().map(|key| key.verifying_key().to_bytes()));
    }
    let trust = TrustedKeys::new(&trusted, args.threshold).map_err(Failure::unable)?;
    let options = RollbackOptions {
        revision: args.revision,
        issued_at_s,
    };
    let old = read_bundle(&args.old)?;
    let mut new = roll_back(&old, &trust, &options).map_err(|error| refused(args, &error))?;
    if let Some(key) = &key {
        let mut signing = Signing::open(&new).map_err(Failure::finding)?;
        signing.sign(key).map_err(Failure::unable)?;
        new = signing.finish().map_err(Failure::finding)?;
    }
    replace(&args.output, &new)?;
    let bundle = Bundle::parse(&new).map_err(Failure::finding)?;
    let restored = bundle.manifest().restores.unwrap_or(Digest([0; 32]));
    tell(&format!(
        "{}: revision {}, valid until {}, digest {}, restores revision {} of digest {restored}{}\n",
        bundle.manifest().ruleset,
        args.revision,
        describe_time(bundle.manifest().expires_at_s),
        bundle.digest(),
        Bundle::parse(&old).map_or(0, |old| old.manifest().revision),
        if key.is_some() { "" } else { UNSIGNED },
    ));
    Ok(())
}

fn refused(args: &RollbackArgs, error: &RollbackError) -> Failure {
    let old = args.old.display();
    match error {
        RollbackError::Untrusted(_) => Failure::finding(format!(
            "cannot restore `{old}`: {error}; where keys have changed since, name those that signed it with `--trust`"
        )),
        RollbackError::NotHigher { .. } => {
            Failure::unable(format!("cannot restore `{old}`: {error}"))
        }
        _ => Failure::finding(format!("cannot restore `{old}`: {error}")),
    }
}
