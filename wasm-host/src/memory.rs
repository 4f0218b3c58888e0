//! How much memory a VM may take.

use wasmtime::ResourceLimiter;

/// As Envoy sets it, unless it was built otherwise.
const DEFAULT_MAX_BYTES: usize = 1 << 30;

/// The limit of one VM's memory.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    pub(crate) max_bytes: usize,
    /// What the VM has.
    pub(crate) bytes: usize,
    /// How often it was refused more.
    pub(crate) refusals: u64,
}

impl Default for MemoryLimit {
    fn default() -> MemoryLimit {
        MemoryLimit {
            max_bytes: DEFAULT_MAX_BYTES,
            bytes: 0,
            refusals: 0,
        }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let may_grow = desired <= self.max_bytes;
        if may_grow {
            self.bytes = desired;
        } else {
            self.refusals += 1;
        }
        Ok(may_grow)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
