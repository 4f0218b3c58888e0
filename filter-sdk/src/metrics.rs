//! What the filter counts. Envoy shows each metric as `wasmcustom.<name>`.

use crate::host::{Host, MetricKind};
use std::cell::Cell;

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "docs/filter-configuration.md describes each by its name"
)]
pub enum Metric {
    DecisionsAllow,
    DecisionsDeny,
    DecisionsChallenge,
    DecisionsMissing,
    DecisionsExpired,
    DecisionsUnreadable,
    BodiesAwaited,
    BodiesUnreadable,
    LoadsAccepted,
    LoadsRefused,
    StreamOpened,
    StreamClosed,
    SlotsFull,
    Revision,
    RequestErrors,
    ConfigErrors,
    CountersEvicted,
    CountersDropped,
    CountersTold,
    CountersUntold,
    CountersUnshared,
    CountersFailures,
}

impl Metric {
    const ALL: [Metric; 22] = [
        Metric::DecisionsAllow,
        Metric::DecisionsDeny,
        Metric::DecisionsChallenge,
        Metric::DecisionsMissing,
        Metric::DecisionsExpired,
        Metric::DecisionsUnreadable,
        Metric::BodiesAwaited,
        Metric::BodiesUnreadable,
        Metric::LoadsAccepted,
        Metric::LoadsRefused,
        Metric::StreamOpened,
        Metric::StreamClosed,
        Metric::SlotsFull,
        Metric::Revision,
        Metric::RequestErrors,
        Metric::ConfigErrors,
        Metric::CountersEvicted,
        Metric::CountersDropped,
        Metric::CountersTold,
        Metric::CountersUntold,
        Metric::CountersUnshared,
        Metric::CountersFailures,
    ];

    /// The name that the host is given.
    pub fn name(self) -> &'static str {
        match self {
            Metric::DecisionsAllow => "riskgate.decisions.allow",
            Metric::DecisionsDeny => "riskgate.decisions.deny",
            Metric::DecisionsChallenge => "riskgate.decisions.challenge",
            Metric::DecisionsMissing => "riskgate.decisions.missing",
            Metric::DecisionsExpired => "riskgate.decisions.expired",
            Metric::DecisionsUnreadable => "riskgate.decisions.unreadable",
            Metric::BodiesAwaited => "riskgate.bodies.awaited",
            Metric::BodiesUnreadable => "riskgate.bodies.unreadable",
            Metric::LoadsAccepted => "riskgate.loads.accepted",
            Metric::LoadsRefused => "riskgate.loads.refused",
            Metric::StreamOpened => "riskgate.stream.opened",
            Metric::StreamClosed => "riskgate.stream.closed",
            Metric::SlotsFull => "riskgate.slots.full",
            Metric::Revision => "riskgate.revision",
            Metric::RequestErrors => "riskgate.request_errors",
            Metric::ConfigErrors => "riskgate.config_errors",
            Metric::CountersEvicted => "riskgate.counters.evicted",
            Metric::CountersDropped => "riskgate.counters.dropped",
            Metric::CountersTold => "riskgate.counters.told",
            Metric::CountersUntold => "riskgate.counters.untold",
            Metric::CountersUnshared => "riskgate.counters.unshared",
            Metric::CountersFailures => "riskgate.counters.failures",
        }
    }

    fn kind(self) -> MetricKind {
        match self {
            Metric::Revision => MetricKind::Gauge,
            _ => MetricKind::Counter,
        }
    }
}

/// The ids that the host gave out: defining costs more than counting.
///
/// A metric that fails is tried again the next time, and never holds anything up.
#[derive(Debug, Default)]
pub struct Metrics {
    ids: [Cell<Option<u32>>; Metric::ALL.len()],
}

impl Metrics {
    /// Defines every metric, so that each shows as 0 from the beginning.
    pub fn define_all(&self, host: &dyn Host) {
        for metric in Metric::ALL {
            self.id(host, metric);
        }
    }

    /// Adds 1 to a counter.
    pub fn count(&self, host: &dyn Host, metric: Metric) {
        self.add(host, metric, 1);
    }

    /// Adds to a counter; nothing is not worth a call.
    pub fn add(&self, host: &dyn Host, metric: Metric, number: u64) {
        let by = i64::try_from(number).unwrap_or(i64::MAX);
        if by > 0
            && let Some(id) = self.id(host, metric)
        {
            let _ = host.increment_metric(id, by);
        }
    }

    /// Sets a gauge.
    pub fn record(&self, host: &dyn Host, metric: Metric, value: u64) {
        if let Some(id) = self.id(host, metric) {
            let _ = host.record_metric(id, value);
        }
    }

    fn id(&self, host: &dyn Host, metric: Metric) -> Option<u32> {
        let slot = self.ids.get(metric as usize)?;
        if slot.get().is_none() {
            slot.set(host.define_metric(metric.kind(), metric.name()).ok());
        }
        slot.get()
    }
}
