//! `rulec diff`: tell what is different between two bundles or ruleset folders.

use std::io;
use std::path::Path;

use riskgate_compiler::diff::{Loaded, diff};

use super::check::analyse;
use crate::args::{DiffArgs, Format};
use crate::failure::Failure;
use crate::output::{flush, print_line, read_bundle};

pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    let old = load(&args.old, args.attributes.as_deref())?;
    let new = load(&args.new, args.attributes.as_deref())?;
    let report = diff(&old, &new);
    let text = match args.format {
        Format::Human => report.human(),
        Format::Json => serde_json::to_string_pretty(&report).map_err(Failure::unable)?,
    };
    let mut out = io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)?;
    let (flips, unknown) = (report.flips(), report.unknown());
    if args.fail_on_flip && flips > 0 {
        return Err(Failure::finding(format!(
            "--fail-on-flip: {flips} of the changes give a request another answer"
        )));
    }
    if args.fail_on_unknown && unknown > 0 {
        return Err(Failure::finding(format!(
            "--fail-on-unknown: of {unknown} of the changes it is not known whether they give a request another answer"
        )));
    }
    Ok(())
}

fn load(path: &Path, attributes: Option<&Path>) -> Result<Loaded, Failure> {
    if path.is_dir() {
        return Loaded::compile(&analyse(path, attributes)?).map_err(Failure::finding);
    }
    let bytes = read_bundle(path)?;
    Loaded::read(&bytes)
        .map_err(|error| Failure::finding(format!("cannot use `{}`: {error}", path.display())))
}
