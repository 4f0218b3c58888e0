//! The command line of `rulec`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use riskgate_compiler::diagnostic::{Code, Severity};

/// Compiles human-written risk rules into signed bundles.
#[derive(Debug, Parser)]
#[command(
    name = "rulec",
    version,
    after_help = "Exit codes: 0 fine, 1 findings, 2 usage or I/O."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile and sign a ruleset folder into a bundle.
    Build(BuildArgs),
    /// Report what is wrong with a ruleset folder.
    Check(CheckArgs),
    /// Print the verdict of each request in a file.
    Eval(EvalArgs),
    /// Tell what a diagnostic means and what to do about it.
    Explain(ExplainArgs),
    /// Show what a bundle holds, without asking who signed it.
    Inspect(InspectArgs),
    /// Make a signing key.
    Keygen(KeygenArgs),
    /// Run the tests of a ruleset folder.
    Test(TestArgs),
    /// Tell whether a filter would load a bundle.
    Verify(VerifyArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BuildArgs {
    /// The folder that holds ruleset.yaml.
    pub(crate) ruleset: PathBuf,
    /// Grows with each publication; filters refuse what is not above the last one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) revision: u64,
    /// The private key to sign with, PKCS#8 PEM.
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
    /// Where the bundle goes; it is replaced only by a whole one.
    #[arg(short, long, value_name = "OUT.bundle")]
    pub(crate) output: PathBuf,
    /// Issue time: RFC 3339 or Unix seconds [default: $SOURCE_DATE_EPOCH, or now]
    #[arg(long, value_name = "TIME")]
    pub(crate) issued_at: Option<String>,
    /// Only filters that are configured for this audience load the bundle.
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
    /// Fail if a request can cost more than so many steps; `rulec check --cost` shows what rules cost.
    #[arg(long, value_name = "STEPS", value_parser = steps)]
    pub(crate) max_cost: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The folder that holds ruleset.yaml.
    pub(crate) ruleset: PathBuf,
    /// Print what each rule and all of them cost a request, in steps of about a nanosecond.
    #[arg(long)]
    pub(crate) cost: bool,
    /// For people, for programs, or for services that scan code.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub(crate) format: ReportFormat,
    /// Take all warnings for errors, or those of one code; repeatable.
    #[arg(long, value_name = "warnings|CODE", value_parser = deny)]
    pub(crate) deny: Vec<Deny>,
    /// Fail if a request can cost more than so many steps.
    #[arg(long, value_name = "STEPS", value_parser = steps)]
    pub(crate) max_cost: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EvalArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// Requests as JSON, one a line; `-` for standard input.
    #[arg(long, value_name = "FILE.jsonl|-")]
    pub(crate) requests: PathBuf,
    /// Judge the bundle's validity at this time, and let requests without `time` happen then.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// A code of a diagnostic, such as R0105 [default: all, a line each]
    pub(crate) subject: Option<String>,
    /// Print all codes, a line each.
    #[arg(long, conflicts_with = "subject")]
    pub(crate) list: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Human,
    Json,
    Sarif,
}

/// Which warnings count as errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deny {
    Warnings,
    Code(Code),
}

impl Deny {
    pub(crate) fn code(self) -> Option<Code> {
        match self {
            Self::Warnings => None,
            Self::Code(code) => Some(code),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KeygenArgs {
    /// Where the private key goes, mode 0600; the public one goes beside it as NAME.pub.pem.
    #[arg(short, long, value_name = "KEY.pem")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TestArgs {
    /// The folder that holds ruleset.yaml, and the tests in tests/*.test.yaml.
    pub(crate) ruleset: PathBuf,
    /// Run only tests whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// A public key whose signature counts, PEM; repeatable.
    #[arg(long, value_name = "PUB.pem", required = true)]
    pub(crate) trust: Vec<PathBuf>,
    /// How many of them must have signed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threshold: u32,
    /// The ruleset that the filter is configured for [default: the bundle's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) ruleset: Option<String>,
    /// The audience that the filter is configured for [default: none]
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
    /// Refuse lower revisions.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) min_revision: u64,
    /// Judge at this time: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

fn steps(text: &str) -> Result<u64, &'static str> {
    text.parse()
        .map_err(|_| "a whole number of steps is wanted")
}

fn deny(text: &str) -> Result<Deny, String> {
    if text == "warnings" {
        return Ok(Deny::Warnings);
    }
    let code: Code = text
        .parse()
        .map_err(|unknown| format!("{unknown}; write `warnings` or one of them"))?;
    match code.severity() {
        Severity::Error => Err(format!("{code} is an error anyway")),
        Severity::Warning => Ok(Deny::Code(code)),
    }
}
