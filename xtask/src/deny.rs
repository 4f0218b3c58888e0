//! Licences, bans and sources by cargo-deny, where it is installed.

use anyhow::Result;

use crate::shell::{Command, step};

/// Advisories are left to `cargo deny check` with a network: they need a database that changes by the day, and a build
/// of yesterday's commit should not turn red today.
pub(crate) fn run() -> Result<()> {
    if !Command::cargo().args(["deny", "--version"]).succeeds()? {
        eprintln!(
            "==> licences and sources: not checked, cargo-deny is not installed (`cargo install cargo-deny --locked`)"
        );
        return Ok(());
    }
    step("licences, bans and sources", || {
        Command::cargo()
            .args(["deny", "check", "licenses", "bans", "sources"])
            .run()
    })
}
