//! `rulec inspect`: show what a bundle holds, without asking who signed it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use riskgate_compiler::build::load_unverified;
use riskgate_compiler::lower::Provenance;
use riskgate_engine::bundle::Digest;
use riskgate_engine::bundle::{Bundle, OnExpired, SectionKind};
use riskgate_engine::counters::CounterDefinition;
use riskgate_engine::ruleset::Ruleset;
use serde::Serialize;

use crate::args::{Format, InspectArgs};
use crate::failure::Failure;
use crate::output::{flush, print_line, read_bundle};
use crate::time::describe_time;

pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let bytes = read_bundle(&args.bundle)?;
    let report = Report::new(&bytes).map_err(|reason| {
        Failure::finding(format!("cannot use `{}`: {reason}", args.bundle.display()))
    })?;
    let text = match args.format {
        Format::Human => report.human(),
        Format::Json => serde_json::to_string_pretty(&report).map_err(Failure::unable)?,
    };
    let mut out = std::io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)
}

/// What a bundle holds. The JSON form is stable: keys are added, never renamed.
#[derive(Debug, Serialize)]
struct Report {
    ruleset: String,
    audience: Option<String>,
    revision: u64,
    digest: String,
    restores: Option<String>,
    issued_at_s: u64,
    not_before_s: u64,
    expires_at_s: u64,
    on_expired: &'static str,
    min_engine: u16,
    length: usize,
    complete: bool,
    signed_by: Vec<String>,
    sections: Vec<SectionReport>,
    rule_count: u32,
    atom_count: u32,
    always_checked_count: u32,
    canaries: Vec<CanaryReport>,
    counters: Vec<CounterReport>,
    provenance: Option<Provenance>,
}

/// A rule at stage canary.
#[derive(Debug, Serialize)]
struct CanaryReport {
    rule: String,
    percent: f64,
}

/// A counter, and what it takes of each worker's memory.
#[derive(Debug, Serialize)]
struct CounterReport {
    name: String,
    identity: String,
    window_ms: u32,
    distinct: bool,
    max_keys: u32,
    memory_bytes: u64,
}

impl CounterReport {
    fn all(ruleset: &Ruleset) -> Vec<CounterReport> {
        let counters = ruleset.counter_names().zip(ruleset.counters());
        let report = |(name, counter): (&str, &CounterDefinition)| CounterReport {
            name: name.to_owned(),
            identity: format!("{:032x}", u128::from_be_bytes(counter.identity)),
            window_ms: counter.window_ms,
            distinct: counter.is_distinct,
            max_keys: counter.max_keys,
            memory_bytes: counter.memory_bytes(),
        };
        counters.map(report).collect()
    }

    fn human(&self) -> String {
        let what = if self.distinct {
            "different values"
        } else {
            "requests"
        };
        format!(
            "{}: {what} of {} s, {} keys in at most {} bytes",
            self.name,
            self.window_ms / 1_000,
            self.max_keys,
            self.memory_bytes
        )
    }
}

#[derive(Debug, Serialize)]
struct SectionReport {
    kind: String,
    length: u32,
    hash: String,
    detached: bool,
}

impl Report {
    fn new(bytes: &[u8]) -> Result<Report, String> {
        let bundle = Bundle::parse(bytes).map_err(|error| error.to_string())?;
        let ruleset = load_unverified(bytes, None).map_err(|error| error.to_string())?;
        let manifest = bundle.manifest();
        let sections = bundle.sections().iter().map(|section| SectionReport {
            kind: section.kind.to_string(),
            length: section.length,
            hash: Digest(section.hash).to_string(),
            detached: section.flags.is_detached(),
        });
        Ok(Report {
            ruleset: manifest.ruleset.to_owned(),
            audience: manifest.audience.map(str::to_owned),
            revision: manifest.revision,
            digest: bundle.digest().to_string(),
            restores: manifest.restores.map(|digest| digest.to_string()),
            issued_at_s: manifest.issued_at_s,
            not_before_s: manifest.not_before_s,
            expires_at_s: manifest.expires_at_s,
            on_expired: match manifest.on_expired {
                OnExpired::Keep => "keep",
                OnExpired::Allow => "allow",
                OnExpired::Deny => "deny",
            },
            min_engine: manifest.min_engine,
            length: bytes.len(),
            complete: bundle.is_complete(),
            signed_by: bundle
                .signatures()
                .iter()
                .map(|signature| Digest(signature.key_id).to_string())
                .collect(),
            sections: sections.collect(),
            rule_count: ruleset.rule_count(),
            atom_count: ruleset.atom_count(),
            always_checked_count: ruleset.always_checked_count(),
            canaries: ruleset
                .canaries()
                .map(|(rule, share)| CanaryReport {
                    rule: rule.to_owned(),
                    percent: f64::from(share) / 100.0,
                })
                .collect(),
            counters: CounterReport::all(&ruleset),
            provenance: provenance(&bundle)?,
        })
    }

    fn human(&self) -> String {
        let mut text = String::new();
        let mut field = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<12} {value}");
        };
        field("ruleset", &self.ruleset);
        field("audience", self.audience.as_deref().unwrap_or("-"));
        field("revision", &self.revision.to_string());
        field("digest", &self.digest);
        if let Some(restores) = &self.restores {
            field("restores", restores);
        }
        field("issued", &describe_time(self.issued_at_s));
        field("valid from", &describe_time(self.not_before_s));
        field("expires", &describe_time(self.expires_at_s));
        field("on expired", self.on_expired);
        field("engine", &format!("version {} or later", self.min_engine));
        if self.signed_by.is_empty() {
            field("signed by", "nobody");
        }
        for key in &self.signed_by {
            field(
                "signed by",
                &format!("key {key} (not checked here; see `rulec verify`)"),
            );
        }
        let always = self.always_checked_count;
        field(
            "rules",
            &format!(
                "{}, {always} of them looked at on every request",
                self.rule_count
            ),
        );
        for CanaryReport { rule, percent } in &self.canaries {
            field("canary", &format!("{rule}, {percent} % of all clients"));
        }
        for counter in &self.counters {
            field("counter", &counter.human());
        }
        field("atoms", &self.atom_count.to_string());
        field("length", &format!("{} bytes", self.length));
        for SectionReport {
            kind,
            length,
            hash,
            detached,
        } in &self.sections
        {
            let note = if *detached { " detached" } else { "" };
            let hash = hash.get(..16).unwrap_or(hash);
            field(
                "section",
                &format!("{kind:<10} {length:>9} bytes  {hash}{note}"),
            );
        }
        text
    }
}

/// `None` when it was left out for sending.
/// The names of the custom attributes that a bundle was built with; nothing if it came without its provenance.
pub(crate) fn custom_attributes(bytes: &[u8]) -> Result<Option<BTreeSet<String>>, String> {
    let bundle = Bundle::parse(bytes).map_err(|error| error.to_string())?;
    let provenance = provenance(&bundle)?;
    Ok(provenance.map(|known| known.custom_attributes))
}

pub(crate) fn provenance(bundle: &Bundle<'_>) -> Result<Option<Provenance>, String> {
    let section = bundle
        .sections()
        .iter()
        .find(|section| section.kind == SectionKind::Provenance);
    let Some(bytes) = section.and_then(|section| section.bytes) else {
        return Ok(None);
    };
    serde_json::from_slice(bytes)
        .map(Some)
        .map_err(|error| format!("section `provenance`: {error}"))
}
