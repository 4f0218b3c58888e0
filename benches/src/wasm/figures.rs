//! What was measured, as figures of a record.

use crate::record::{Measurement, Record};

use super::{Measured, MeasuredStream, ModuleSize, Percentiles};

const MIB: f64 = (1 << 20) as f64;
const KIB: f64 = (1 << 10) as f64;

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
        let sizes = [
            ("bundle as it is sent", self.bundle_bytes),
            ("linear memory over no rules", self.memory_bytes),
        ];
        for (metric, bytes) in sizes {
            record.add(Measurement {
                unit: "MiB".to_owned(),
                value: bytes as f64 / MIB,
                ..self.of_loads(metric)
            });
        }
        let times = [
            ("transfer, all chunks but the last", self.transfer_us),
            ("verify, in the engine", self.verify_us),
            ("check sections, in the engine", self.sections_us),
            ("last chunk: verify, check, swap", self.last_chunk_us),
        ];
        for (metric, Percentiles { p10, p50, p99 }) in times {
            record.add(Measurement {
                unit: "ms".to_owned(),
                value: p50 / 1e3,
                low: Some(p10 / 1e3),
                high: Some(p99 / 1e3),
                ..self.of_loads(metric)
            });
        }
        for stream in &self.streams {
            self.add_stream(stream, record);
        }
    }

    /// A figure of the ruleset as a whole, without its value.
    fn of_loads(&self, metric: &str) -> Measurement {
        Measurement {
            group: "memory and load".to_owned(),
            metric: metric.to_owned(),
            unit: String::new(),
            series: self.group.to_owned(),
            rules: self.size as u64,
            value: 0.0,
            low: None,
            high: None,
            samples: self.loads,
        }
    }

    fn add_stream(&self, stream: &MeasuredStream, record: &mut Record) {
        let times = [
            ("engine alone", stream.engine_us),
            ("headers callback", stream.decision_us),
            ("all callbacks", stream.request_us),
        ];
        let calls = Measurement {
            group: self.group.to_owned(),
            metric: "calls to the proxy".to_owned(),
            unit: "calls".to_owned(),
            series: stream.name.clone(),
            rules: self.size as u64,
            value: stream.host_calls,
            low: None,
            high: None,
            samples: stream.decisions,
        };
        let body = stream.body_us.map(|times| ("body callback", times));
        for (metric, Percentiles { p10, p50, p99 }) in times.into_iter().chain(body) {
            record.add(Measurement {
                metric: metric.to_owned(),
                unit: "µs".to_owned(),
                value: p50,
                low: Some(p10),
                high: Some(p99),
                ..calls.clone()
            });
        }
        record.add(calls);
    }
}
