//! What was measured, as figures of a record.

use crate::record::{Measurement, Record};

use super::{Measured, ModuleSize};

const MIB: f64 = (1 << 20) as f64;
const KIB: f64 = (1 << 10) as f64;

/// Where the large lists are: no line in a plot over numbers of rules.
const LISTS: &str = "lists of a million";

impl ModuleSize {
    /// Adds the figures to a record.
    pub fn add_to(self, record: &mut Record) {
        let figures = [
            ("file", self.module_bytes),
            ("linear memory without rules", self.empty_memory_bytes),
        ];
        for (metric, bytes) in figures {
            record.add(Measurement {
                group: "module".to_owned(),
                metric: metric.to_owned(),
                unit: "KiB".to_owned(),
                series: "riskgate".to_owned(),
                rules: 0,
                value: bytes as f64 / KIB,
                low: None,
                high: None,
                samples: 1,
            });
        }
    }
}

impl Measured {
    /// Adds the figures to a record.
    pub fn add_to(&self, record: &mut Record) {
        record.answers_checked += self.answers_checked;
        let decision_p50 = [
            ("engine alone", self.engine_us.p50),
            ("headers callback", self.decision_us.p50),
            ("all callbacks", self.request_us.p50),
        ];
        let decision_p99 = [
            ("engine alone", self.engine_us.p99),
            ("headers callback", self.decision_us.p99),
            ("all callbacks", self.request_us.p99),
        ];
        self.add_all(
            record,
            "decision, median",
            "µs",
            &decision_p50,
            self.decisions,
        );
        self.add_all(
            record,
            "decision, 99th percentile",
            "µs",
            &decision_p99,
            self.decisions,
        );
        let calls = [("headers callback", self.host_calls)];
        self.add_all(
            record,
            "calls to the proxy a request",
            "calls",
            &calls,
            self.decisions,
        );
        let memory = [
            (
                "linear memory over no rules",
                self.memory_bytes as f64 / MIB,
            ),
            ("bundle as it is sent", self.bundle_bytes as f64 / MIB),
        ];
        self.add_all(record, "memory", "MiB", &memory, self.loads);
        let load = [
            ("transfer, all chunks but the last", self.transfer_ms),
            ("verify, in the engine", self.verify_ms),
            ("check sections, in the engine", self.sections_ms),
            ("last chunk: verify, check, swap", self.last_chunk_ms),
        ];
        self.add_all(record, "load, median", "ms", &load, self.loads);
    }

    fn add_all(
        &self,
        record: &mut Record,
        metric: &str,
        unit: &str,
        figures: &[(&str, f64)],
        samples: u64,
    ) {
        for (series, value) in figures {
            let (group, series, rules) = match self.rules {
                0 => (LISTS, format!("{}: {series}", self.name), 0),
                rules => (self.name.as_str(), (*series).to_owned(), rules as u64),
            };
            record.add(Measurement {
                group: group.to_owned(),
                metric: metric.to_owned(),
                unit: unit.to_owned(),
                series,
                rules,
                value: *value,
                low: None,
                high: None,
                samples,
            });
        }
    }
}
