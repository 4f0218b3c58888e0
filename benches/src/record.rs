//! What benchmarks leave behind: one JSON file a part, in `benches/record/<date>-<machine>/`.
//!
//! ```no_run
//! use riskgate_benches::record::{Measurement, Record, Run};
//!
//! # fn main() -> anyhow::Result<()> {
//! let mut record = Record::begin("wasm", Run::from_env())?;
//! record.version("wasmtime", "48.0.0");
//! record.add(Measurement {
//!     group: "selective".into(),
//!     metric: "decision, median".into(),
//!     unit: "µs".into(),
//!     series: "hit".into(),
//!     rules: 10_000,
//!     value: 1.85,
//!     low: Some(1.81),
//!     high: Some(1.93),
//!     samples: 512,
//! });
//! record.answers_checked += 512;
//! println!("{}", record.write()?.display());
//! # Ok(())
//! # }
//! ```
//!
//! `cargo xtask bench plot` draws one plot for each part, group and metric that has values for more than one number of
//! rules, a line for each series, and puts every value into a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// The file of a record folder that a part writes is `<part>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// `engine`, `wasm`, `envoy`, `hotload` or `build`.
    pub part: String,
    /// How much was run.
    pub run: Run,
    /// RFC 3339, when it began.
    pub began: String,
    /// What it ran on.
    pub machine: Machine,
    /// What was run: name and version, for example `envoy` and `1.40.0`.
    pub versions: BTreeMap<String, String>,
    /// How many answers were compared with what they must be before anything was timed.
    pub answers_checked: u64,
    /// What a reader of the figures must know, a sentence each.
    pub notes: Vec<String>,
    /// The figures, in the order of the tables.
    pub measurements: Vec<Measurement>,
}

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// For the record.
    Full,
    /// A smoke run: its figures mean nothing, and go to `target/bench-quick/`.
    Quick,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// What belongs into one plot and one table, such as the shape of the rules.
    pub group: String,
    /// What was measured, such as `added CPU a request, median`.
    pub metric: String,
    /// `ns`, `µs`, `ms`, `s`, `bytes`, `KiB`, `MiB`, `×` for ratios.
    pub unit: String,
    /// The line in the plot, such as `riskgate` or `hit`.
    pub series: String,
    /// How many rules; 0 where that is not the point, as with lists.
    pub rules: u64,
    /// The figure.
    pub value: f64,
    /// The lower end of its spread; the notes say of what kind the spread is.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How many samples it was taken from.
    pub samples: u64,
}

/// Set by `cargo xtask bench --quick`.
const QUICK_VARIABLE: &str = "RISKGATE_BENCH_QUICK";

impl Run {
    /// As `cargo xtask bench` was asked.
    #[must_use]
    pub fn from_env() -> Run {
        match std::env::var_os(QUICK_VARIABLE) {
            Some(_) => Run::Quick,
            None => Run::Full,
        }
    }

    /// Whether this is a smoke run.
    #[must_use]
    pub fn is_quick(self) -> bool {
        self == Run::Quick
    }
}

impl Record {
    /// An empty record that knows machine, compiler and commit.
    ///
    /// # Errors
    ///
    /// When the machine cannot be described.
    pub fn begin(part: &str, run: Run) -> Result<Record> {
        let mut record = Record {
            part: part.to_owned(),
            run,
            began: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            machine: Machine::this()?,
            versions: BTreeMap::new(),
            answers_checked: 0,
            notes: Vec::new(),
            measurements: Vec::new(),
        };
        record.version("riskgate", &crate::machine::commit());
        record.version("rustc", &crate::machine::rustc());
        Ok(record)
    }

    /// Adds a version.
    pub fn version(&mut self, name: &str, version: &str) {
        self.versions.insert(name.to_owned(), version.to_owned());
    }

    /// Adds a sentence.
    pub fn note(&mut self, sentence: &str) {
        self.notes.push(sentence.to_owned());
    }

    /// Adds a figure, and prints it.
    pub fn add(&mut self, measurement: Measurement) {
        eprintln!("    {}", measurement.line());
        self.measurements.push(measurement);
    }

    /// Where this record goes.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let date = self.began.get(..10).unwrap_or(&self.began);
        let name = format!("{date}-{}", self.machine.slug());
        match self.run {
            Run::Full => Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("record")
                .join(name),
            Run::Quick => crate::machine::target_dir().join("bench-quick").join(name),
        }
    }

    /// Writes it in place of an older one of the same part, day and machine, and returns the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self) -> Result<PathBuf> {
        let folder = self.folder();
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(format!("{}.json", self.part));
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(&file, json).with_context(|| file.display().to_string())?;
        Ok(file)
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// When the file is not a record.
    pub fn read(file: &Path) -> Result<Record> {
        let place = || file.display().to_string();
        let json = std::fs::read_to_string(file).with_context(place)?;
        serde_json::from_str(&json).with_context(place)
    }
}

impl Measurement {
    /// For people who watch.
    #[must_use]
    pub fn line(&self) -> String {
        let Measurement {
            group,
            metric,
            unit,
            series,
            rules,
            value,
            low,
            high,
            samples,
        } = self;
        let spread = match (low, high) {
            (Some(low), Some(high)) => format!(" ({} to {})", figure(*low), figure(*high)),
            _ => String::new(),
        };
        format!(
            "{group}, {series}, {rules} rules: {metric} {} {unit}{spread}, {samples} samples",
            figure(*value)
        )
    }
}

/// Three significant digits, or all of the whole part.
#[must_use]
pub fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record = Record::begin("engine", Run::Quick).unwrap();
        record.note("smoke");
        record.add(Measurement {
            group: "selective".into(),
            metric: "decision, median".into(),
            unit: "ns".into(),
            series: "hit".into(),
            rules: 10,
            value: 812.5,
            low: None,
            high: Some(900.0),
            samples: 3,
        });
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn figures_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.851, "1.85"),
            (18.51, "18.5"),
            (1851.4, "1851"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
    }
}
