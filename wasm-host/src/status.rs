//! How a hostcall ends.

/// Statuses of the ABI that the host itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status;

impl Status {
    /// Done.
    pub const OK: u32 = 0;
    /// There is no such thing.
    pub const NOT_FOUND: u32 = 1;
    /// An argument makes no sense, or what it names cannot be reached now.
    pub const BAD_ARGUMENT: u32 = 2;
    /// A value has no bytes.
    pub const SERIALIZATION_FAILURE: u32 = 3;
    /// Bytes do not parse.
    pub const PARSE_FAILURE: u32 = 4;
    /// A pointer leads out of the VM's memory, or the VM gave no memory.
    pub const INVALID_MEMORY_ACCESS: u32 = 6;
    /// Nothing is left.
    pub const EMPTY: u32 = 7;
    /// Somebody else wrote the value first.
    pub const CAS_MISMATCH: u32 = 8;
    /// The proxy failed.
    pub const INTERNAL_FAILURE: u32 = 10;
    /// The host does not know the call.
    pub const UNIMPLEMENTED: u32 = 12;
}
