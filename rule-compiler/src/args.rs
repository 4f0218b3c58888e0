//! The command line of `rulec`.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use riskgate_compiler::diagnostic::{Code, Severity};
use riskgate_compiler::schema::Schema;

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

/// In the order of the work: `--help` lists them so.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a ruleset to start from, with tests.
    Init(InitArgs),
    /// Report what is wrong with a ruleset folder.
    Check(CheckArgs),
    /// Bring the YAML of rulesets into its usual form; comments stay.
    Fmt(FmtArgs),
    /// Run the tests of a ruleset folder.
    Test(TestArgs),
    /// Make a signing key.
    Keygen(KeygenArgs),
    /// Compile and sign a ruleset folder into a bundle.
    Build(BuildArgs),
    /// Add signatures to a bundle, or write what a key management service is to sign.
    Sign(SignArgs),
    /// Tell whether a filter would load a bundle.
    Verify(VerifyArgs),
    /// Show what a bundle holds, without asking who signed it.
    Inspect(InspectArgs),
    /// Print the verdict of each request in a file.
    Eval(EvalArgs),
    /// Tell why a request gets its verdict, or what a diagnostic means and what to do about it.
    Explain(ExplainArgs),
    /// Tell what is different between two bundles or ruleset folders, with requests that are answered otherwise.
    Diff(DiffArgs),
    /// Decide recorded traffic, and tell what a bundle does with it, or does otherwise than another.
    Replay(ReplayArgs),
    /// Bring the rules of an old bundle back, under a new and higher revision.
    Rollback(RollbackArgs),
    /// Print JSON Schemas of rule files, tests, requests and verdicts, for editors.
    Schema(SchemaArgs),
    /// Print a script with which a shell completes commands and options.
    Completions(CompletionsArgs),
    /// Write manual pages.
    Man(ManArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BuildArgs {
    /// The folder that holds ruleset.yaml.
    pub(crate) ruleset: PathBuf,
    /// Grows with each publication; filters refuse what is not above the last one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) revision: u64,
    #[command(flatten)]
    pub(crate) signer: Signer,
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
    /// A file that declares the attributes of a custom filter.
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct Signer {
    /// The private key to sign with, PKCS#8 PEM; `rulec sign` adds others.
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: Option<PathBuf>,
    /// Do not sign; `rulec sign` does it, or a key management service.
    #[arg(long)]
    pub(crate) unsigned: bool,
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
    /// Judge what is over for good at this time: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// A file that declares the attributes of a custom filter.
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// The folder that the pages go to, such as ~/.local/share/man/man1.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
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
    /// Add the reply to each verdict as `reply`: status, headers with a redirect's location, and body; null for allow.
    #[arg(long)]
    pub(crate) replies: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// A code of a diagnostic, such as R0105 [default: all, a line each]; or, with `--request`, a bundle or a ruleset folder.
    pub(crate) subject: Option<String>,
    /// Print all codes, a line each.
    #[arg(long, conflicts_with = "subject")]
    pub(crate) list: bool,
    /// Tell why this request gets its verdict: a file with one request as JSON; `-` for standard input.
    #[arg(long, value_name = "FILE.json|-", requires = "subject")]
    pub(crate) request: Option<PathBuf>,
    /// Tell only what becomes of this rule.
    #[arg(long, value_name = "ID", requires = "request")]
    pub(crate) rule: Option<String>,
    /// Let a request without `time` happen at this time [default: now]
    #[arg(long, value_name = "TIME", requires = "request")]
    pub(crate) at: Option<String>,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t = Format::Human, requires = "request")]
    pub(crate) format: Format,
    /// A file that declares the attributes of a custom filter.
    #[arg(long, requires = "request", value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// A folder that is new or empty.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The ruleset's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FmtArgs {
    /// Ruleset folders, or single files of them.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing, and fail if a file would change.
    #[arg(long)]
    pub(crate) check: bool,
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
pub(crate) struct RollbackArgs {
    /// The bundle whose rules are to serve again; it may have expired.
    #[arg(value_name = "OLD.bundle")]
    pub(crate) old: PathBuf,
    /// Above that of the bundle that serves now.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) revision: u64,
    #[command(flatten)]
    pub(crate) signer: Signer,
    /// Where the new bundle goes; it is replaced only by a whole one.
    #[arg(short, long, value_name = "OUT.bundle")]
    pub(crate) output: PathBuf,
    /// A public key that must have signed the old bundle, PEM; repeatable [default: that of `--key`]
    #[arg(long, value_name = "PUB.pem", required_if_eq("unsigned", "true"))]
    pub(crate) trust: Vec<PathBuf>,
    /// How many of them must have signed it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threshold: u32,
    /// Issue time: RFC 3339 or Unix seconds [default: $SOURCE_DATE_EPOCH, or now]
    #[arg(long, value_name = "TIME")]
    pub(crate) issued_at: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("how").required(true).args(["key", "print_payload", "signature"]))]
pub(crate) struct SignArgs {
    /// The bundle. Its digest stays, and so do the signatures that it has.
    pub(crate) bundle: PathBuf,
    /// A private key to sign with, PKCS#8 PEM; repeatable.
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: Vec<PathBuf>,
    /// Write the bytes to be signed, to standard output or `--output`; the bundle stays as it is.
    #[arg(long)]
    pub(crate) print_payload: bool,
    /// Add a signature that was made elsewhere: a file of its 64 bytes, or of their base64.
    #[arg(long, value_name = "FILE", requires = "public_key")]
    pub(crate) signature: Option<PathBuf>,
    /// The public key of that signature, PEM.
    #[arg(long, value_name = "PUB.pem", requires = "signature")]
    pub(crate) public_key: Option<PathBuf>,
    /// Where the result goes [default: the bundle is replaced]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = true)]
pub(crate) struct SchemaArgs {
    /// What to print the schema of.
    #[arg(value_parser = schema, value_name = "ruleset|rules|tests|request|verdict")]
    pub(crate) name: Option<Schema>,
    /// Write all schemas to this folder, as NAME.schema.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TestArgs {
    /// The folder that holds ruleset.yaml, and the tests in tests/*.test.yaml.
    pub(crate) ruleset: PathBuf,
    /// Run only tests whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// For people, for CI servers, or for programs.
    #[arg(long, value_enum, default_value_t = TestFormat::Human)]
    pub(crate) format: TestFormat,
    /// Run the tests in the filter's module, as a proxy does, instead of in the engine alone.
    #[cfg(feature = "wasm")]
    #[arg(long, value_name = "FILTER.wasm", conflicts_with_all = ["coverage", "min_coverage"])]
    pub(crate) wasm: Option<PathBuf>,
    /// Tell which rules and which parts of their conditions no test shows both ways.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Fail if the tests show less than this; counts the sides of rules and of their tests.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) min_coverage: Option<f64>,
    /// A file that declares the attributes of a custom filter.
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    Human,
    Junit,
    Json,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DiffArgs {
    /// The old bundle, or a folder that holds ruleset.yaml.
    pub(crate) old: PathBuf,
    /// The new bundle or folder.
    pub(crate) new: PathBuf,
    /// Fail if a request is found that gets another answer.
    #[arg(long)]
    pub(crate) fail_on_flip: bool,
    /// Fail if of a change it is not known whether a request gets another answer.
    #[arg(long)]
    pub(crate) fail_on_unknown: bool,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// A file that declares the attributes of a custom filter.
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReplayArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// Recorded requests, one a line; `-` for standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) traffic: PathBuf,
    /// Tell what changes against this bundle.
    #[arg(long, value_name = "OLD.bundle")]
    pub(crate) baseline: Option<PathBuf>,
    /// How a line is written: as `rulec eval` takes it, or as Envoy's access log in JSON.
    #[arg(long, value_enum, default_value_t = Traffic::Requests)]
    pub(crate) from: Traffic,
    /// The field of the access log that holds an attribute, such as request.path=uri; repeatable.
    #[arg(long, value_name = "ATTRIBUTE=FIELD")]
    pub(crate) map: Vec<String>,
    /// A file of such mappings, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) map_file: Option<PathBuf>,
    /// What to do with a line that is no request.
    #[arg(long, value_enum, default_value_t = OnBadLine::Fail)]
    pub(crate) on_bad_line: OnBadLine,
    /// Fail if more of the requests are denied.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) max_deny_rate: Option<f64>,
    /// Fail if the action or status of more of the requests changes.
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "baseline")]
    pub(crate) max_change: Option<f64>,
    /// How many requests to show for each kind of change.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(crate) examples: u16,
    /// Judge the bundles' validity at this time, and let requests without a time happen then.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Traffic {
    /// Request JSON.
    Requests,
    /// Envoy's access log in JSON.
    EnvoyLog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnBadLine {
    /// Stop, and name it.
    Fail,
    /// Count it.
    Skip,
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

fn schema(text: &str) -> Result<Schema, String> {
    let found = Schema::ALL.into_iter().find(|schema| schema.name() == text);
    found.ok_or_else(|| {
        let names = Schema::ALL.map(Schema::name);
        format!("there are schemas of {}", names.join(", "))
    })
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

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    percent
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "a number from 0 to 100, such as 2.5".to_owned())
}
