//! Metrics, by the numbers that a VM gets for them.

use crate::Status;

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Has a value.
    Gauge,
    /// Keeps what is recorded.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// What it counts.
    pub kind: MetricKind,
    /// Its name.
    pub name: String,
    /// Its value, of this VM alone; that of a histogram is what was recorded last.
    pub value: i64,
    /// What a histogram was told, oldest first.
    pub recorded: Vec<u64>,
}

impl MetricKind {
    pub(crate) fn from_number(number: u64) -> Option<MetricKind> {
        match number {
            0 => Some(MetricKind::Counter),
            1 => Some(MetricKind::Gauge),
            2 => Some(MetricKind::Histogram),
            _ => None,
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
            MetricKind::Histogram => 2,
        }
    }
}

impl Metric {
    pub(crate) fn new(kind: MetricKind, name: String) -> Metric {
        Metric {
            kind,
            name,
            value: 0,
            recorded: Vec::new(),
        }
    }

    /// `proxy_increment_metric`.
    pub(crate) fn increment(&mut self, by: i64) -> Result<(), u32> {
        match self.kind {
            MetricKind::Counter if by <= 0 => return Err(Status::BAD_ARGUMENT),
            MetricKind::Histogram => return Err(Status::BAD_ARGUMENT),
            MetricKind::Counter | MetricKind::Gauge => {}
        }
        self.value = self.value.saturating_add(by);
        Ok(())
    }

    /// `proxy_record_metric`. As in Envoy, a counter adds what is recorded.
    pub(crate) fn record(&mut self, value: u64) {
        match self.kind {
            MetricKind::Counter => self.value = self.value.saturating_add(value.cast_signed()),
            MetricKind::Gauge => self.value = value.cast_signed(),
            MetricKind::Histogram => {
                self.value = value.cast_signed();
                self.recorded.push(value);
            }
        }
    }
}
