//! What a process used, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Processor time of all threads, in user and in kernel mode.
///
/// `/proc/PID/stat` counts the same in ticks of 10 ms, which is a tenth of a burst of requests;
/// `/proc/PID/task/TID/schedstat` counts nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuTime(Duration);

impl CpuTime {
    pub(super) fn of(process_id: u32) -> Result<CpuTime> {
        let folder = format!("/proc/{process_id}/task");
        let mut total_ns = 0;
        for task in fs::read_dir(&folder).context("is this Linux?")? {
            let path = task?.path().join("schedstat");
            // A thread may end between being listed and being read.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let on_cpu_ns = text.split_whitespace().next().context("an empty file")?;
            total_ns += on_cpu_ns
                .parse::<u64>()
                .with_context(|| path.display().to_string())?;
        }
        Ok(CpuTime(Duration::from_nanos(total_ns)))
    }

    /// What was used since.
    pub(super) fn since(self, before: CpuTime) -> Duration {
        self.0.saturating_sub(before.0)
    }
}
