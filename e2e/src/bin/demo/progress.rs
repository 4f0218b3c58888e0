//! Telling what goes on.

use std::{
    io::{IsTerminal, Write, stderr},
    time::Instant,
};

use anyhow::{Context, Result};

/// Runs one named step and says how long it took. On a terminal the name stands there while it runs.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let on_a_terminal = stderr().is_terminal();
    if on_a_terminal {
        eprint!("... {name}");
        // Progress that cannot be shown is no reason to stop.
        let _ = stderr().flush();
    }
    let begun = Instant::now();
    let value = work();
    let start_again = if on_a_terminal { "\r" } else { "" };
    let mark = if value.is_ok() { "ok " } else { "!!!" };
    eprintln!(
        "{start_again}{mark} {name} ({:.2} s)",
        begun.elapsed().as_secs_f64()
    );
    value.with_context(|| format!("could not {name}"))
}
