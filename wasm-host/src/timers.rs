//! When root contexts tick.

use std::collections::BTreeMap;

const NS_PER_MS: u64 = 1_000_000;

/// A timer for each root context that asked for one.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_root: BTreeMap<u32, Timer>,
}

#[derive(Debug)]
struct Timer {
    period_ms: u32,
    /// On the monotonic clock.
    due_ns: u64,
}

impl Timers {
    /// A root context asks for another period: as in Envoy, the wait begins anew; 0 ends the ticks.
    pub(crate) fn set(&mut self, root: u32, period_ms: u32, now_ns: u64) {
        self.by_root.remove(&root);
        if period_ms > 0 {
            let due_ns = due(period_ms, now_ns);
            self.by_root.insert(root, Timer { period_ms, due_ns });
        }
    }

    pub(crate) fn period_ms(&self, root: u32) -> Option<u32> {
        self.by_root.get(&root).map(|timer| timer.period_ms)
    }

    /// When the next root context ticks, and which.
    pub(crate) fn next(&self) -> Option<(u64, u32)> {
        let all = self.by_root.iter();
        all.map(|(root, timer)| (timer.due_ns, *root)).min()
    }

    /// A root context ticked.
    pub(crate) fn ticked(&mut self, root: u32, now_ns: u64) {
        // One that asked for another period in its tick waits already.
        if let Some(timer) = self.by_root.get_mut(&root)
            && timer.due_ns <= now_ns
        {
            timer.due_ns = due(timer.period_ms, now_ns);
        }
    }

    pub(crate) fn remove(&mut self, root: u32) {
        self.by_root.remove(&root);
    }
}

fn due(period_ms: u32, now_ns: u64) -> u64 {
    now_ns.saturating_add(u64::from(period_ms) * NS_PER_MS)
}
