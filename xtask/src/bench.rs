//! `cargo xtask bench`: sets up what the benchmarks need, runs them, and draws what they recorded.
//!
//! Each part writes a file into `benches/record/<date>-<machine>/`; a smoke run into `target/bench-quick/` instead.

use anyhow::{Result, bail};

use crate::{
    build,
    setup::{self, WASM_TARGET},
    shell::{Command, step},
    workspace,
};

/// Tells the benchmarks that only a smoke run is wanted.
const QUICK: (&str, &str) = ("RISKGATE_BENCH_QUICK", "1");

/// Tells the engine's benchmark, which is one for people too, to write its record.
const RECORD: (&str, &str) = ("RISKGATE_BENCH_RECORD", "1");

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let quick = arguments.contains(&"--quick");
    let parts: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|argument| *argument != "--quick")
        .collect();
    match parts[..] {
        ["engine"] => engine(quick),
        ["wasm"] => wasm(quick),
        ["envoy"] => envoy(quick),
        ["hotload"] => hotload(quick),
        ["build"] => rulec_build(quick),
        ["plot"] => plot(quick),
        [] => {
            engine(quick)?;
            wasm(quick)?;
            envoy(quick)?;
            hotload(quick)?;
            rulec_build(quick)?;
            plot(quick)
        }
        _ => bail!(
            "`{}` is no part of the benchmarks; give engine, wasm, envoy, hotload, build, plot, or none for all of them, and --quick \
             for a smoke run",
            parts.join(" ")
        ),
    }
}

fn engine(quick: bool) -> Result<()> {
    step("benchmark the engine", || {
        let bench = Command::cargo().args([
            "bench",
            "--package",
            "riskgate-benches",
            "--bench",
            "engine",
        ]);
        for_run(bench, quick).env(RECORD.0, RECORD.1).run()
    })
}

fn wasm(quick: bool) -> Result<()> {
    step("the wasm target", setup::add_wasm_target)?;
    build::filter()?;
    step("benchmark the filter in wasmtime", || {
        let options: &[&str] = if quick { &["--", "--quick"] } else { &[] };
        for_run(program("wasm"), quick).args(options).run()
    })
}

fn envoy(quick: bool) -> Result<()> {
    let ready = setup::run()?;
    build::filter()?;
    step("build the empty filter for wasm", || {
        Command::cargo()
            .args([
                "build",
                "--package",
                "riskgate-empty-filter",
                "--target",
                WASM_TARGET,
            ])
            .args(["--profile", "wasm"])
            .run()
    })?;
    build::tools()?;
    step("benchmark filters in Envoy", || {
        for_run(program("envoy"), quick)
            .env("ENVOY", &ready.envoy)
            .run()
    })
}

fn hotload(quick: bool) -> Result<()> {
    let ready = setup::run()?;
    build::filter()?;
    step("build rule-pusher", || {
        Command::cargo()
            .args(["build", "--release", "--package", "riskgate-pusher"])
            .run()
    })?;
    let pusher = workspace::target_dir().join("release/rule-pusher");
    step("benchmark hot loads in Envoy", || {
        for_run(program("hotload"), quick)
            .env("ENVOY", &ready.envoy)
            .env("RISKGATE_PUSHER", &pusher)
            .run()
    })
}

fn rulec_build(quick: bool) -> Result<()> {
    step("build rulec", || {
        Command::cargo()
            .args([
                "build",
                "--release",
                "--package",
                "riskgate-compiler",
                "--bin",
                "rulec",
            ])
            .run()
    })?;
    let rulec = workspace::target_dir().join("release/rulec");
    step("benchmark rulec build", || {
        for_run(program("rulec_build"), quick)
            .env("RISKGATE_RULEC", &rulec)
            .run()
    })
}

/// A smoke run's plots stay with its record.
fn plot(quick: bool) -> Result<()> {
    step("draw the plots", || {
        if !quick {
            return program("plot").run();
        }
        let folders = std::fs::read_dir(workspace::target_dir().join("bench-quick"))?;
        let folders = folders.collect::<Result<Vec<_>, _>>()?;
        let Some(newest) = folders.into_iter().map(|each| each.path()).max() else {
            bail!("there is no record of a smoke run; run `cargo xtask bench engine --quick`");
        };
        program("plot").arg("--").arg(newest).run()
    })
}

/// A program of the benchmarks.
fn program(name: &str) -> Command {
    Command::cargo().args([
        "run",
        "--release",
        "--package",
        "riskgate-benches",
        "--bin",
        name,
    ])
}

/// What the programs need to know of the run. They look for modules and tools where this builds them.
fn for_run(command: Command, quick: bool) -> Command {
    let command = command.env("CARGO_TARGET_DIR", workspace::target_dir());
    if quick {
        command.env(QUICK.0, QUICK.1)
    } else {
        command
    }
}
