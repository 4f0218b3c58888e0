//! A run over random rulesets of all sizes, the engine against the oracle: `cargo xtask fuzz-diff`.
//!
//! Every ruleset is asked many requests, because large ones take long to build. The run follows from its seed: the same
//! rulesets and requests in the same order, whatever the number of threads.

mod finding;
mod minimize;
mod print;
mod run;
mod schedule;

use run::{Options, run};

/// The large rulesets are for the long run, which is built with optimizations.
#[test]
fn a_short_run_finds_no_difference() {
    let options = Options {
        pairs: 4_000,
        seed: 1,
        only: None,
        max_rules: 1_000,
        quiet: true,
    };
    let summary = run(&options).unwrap_or_else(|report| panic!("{report}"));
    assert!(summary.pairs >= options.pairs);
    assert!(
        summary.matched * 4 > summary.pairs,
        "too few requests match anything to prove much: {summary}"
    );
}

/// The environment says how many pairs, from which seed, and which case alone.
#[test]
#[ignore = "takes minutes; `cargo xtask fuzz-diff` runs it"]
fn a_long_run_finds_no_difference() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        )
    };
    let options = Options {
        pairs: number("FUZZ_DIFF_CASES").unwrap_or(100_000),
        seed: number("FUZZ_DIFF_SEED").unwrap_or(1),
        only: number("FUZZ_DIFF_ONLY"),
        max_rules: 100_000,
        quiet: false,
    };
    match run(&options) {
        Ok(summary) => println!("{summary}"),
        Err(report) => panic!("{report}"),
    }
}
