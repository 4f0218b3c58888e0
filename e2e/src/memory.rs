//! Memory of a process, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result};

/// What a process has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident now, kB.
    pub resident_kb: u64,
    /// The most that was ever resident, kB.
    pub peak_kb: u64,
}

impl Memory {
    /// Of the process with this id.
    pub fn of(process_id: u32) -> Result<Memory> {
        let path = format!("/proc/{process_id}/status");
        let status = fs::read_to_string(&path).with_context(|| path.clone())?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            let number = number.with_context(|| format!("{path} has no {name}"))?;
            Ok(number.parse()?)
        };
        Ok(Memory {
            resident_kb: field("VmRSS:")?,
            peak_kb: field("VmHWM:")?,
        })
    }
}
