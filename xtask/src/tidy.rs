//! `cargo xtask tidy`: what no lint holds.

use anyhow::{Result, bail};

use crate::{shell::step, workspace};

mod dependencies;
mod functions;
mod paths;

pub(crate) fn run() -> Result<()> {
    step("tidy", || {
        let files = workspace::files()?;
        let mut faults = dependencies::faults()?;
        faults.extend(paths::faults(&files)?);
        faults.extend(functions::faults(&files)?);
        if faults.is_empty() {
            return Ok(());
        }
        for fault in &faults {
            eprintln!("    {fault}");
        }
        bail!("{} to put right", faults.len());
    })
}
