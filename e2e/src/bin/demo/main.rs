//! The demo: publishes the shop's rules to a running Envoy, sends requests, changes a rule and sends one again.
//!
//! `cargo xtask demo` builds everything and runs this.

use std::{io::Write, process::ExitCode};

use anyhow::{Context, Result, bail};
use riskgate_e2e::stop_all;
use tokio::{runtime::Builder, signal::unix};

mod cases;
mod edit;
mod play;
mod progress;
mod table;

fn main() -> ExitCode {
    match keep().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn keep() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => Ok(false),
        ["--keep"] => Ok(true),
        other => bail!(
            "`{}` is not an option of the demo: there is only --keep",
            other.join(" ")
        ),
    }
}

fn run(keep: bool) -> Result<()> {
    std::thread::spawn(|| end_at_a_signal().ok());
    let play = play::Play::set_up()?;
    play.perform()?;
    if keep {
        play.print_addresses()?;
        loop {
            std::thread::park();
        }
    }
    drop(play);
    println!("\nstopped Envoy, the pusher and the upstream");
    Ok(())
}

/// Destructors do not run at a signal, so the children are stopped here.
fn end_at_a_signal() -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("listen for signals")?;
    runtime.block_on(async {
        let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        let mut hang_up = unix::signal(unix::SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            // The terminal was closed.
            _ = hang_up.recv() => {}
        }
        stop_all();
        // A closed terminal takes no text, which is no reason to fail.
        let _ = writeln!(
            std::io::stderr(),
            "\nstopped Envoy, the pusher and the upstream"
        );
        // What a shell reports of a program that Ctrl-C ended.
        std::process::exit(130)
    })
}
