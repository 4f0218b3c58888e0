//! Limits of the protocol. Both ends hold them: the sender when it writes, the receiver when it reads.

/// The longest bundle, in bytes, with or without its detached sections: 32 MiB.
pub const BUNDLE_LEN_MAX: usize = 32 << 20;

/// The most bytes of a section in one chunk: 192 KiB, so that a chunk stays below [`MESSAGE_LEN_MAX`].
pub const CHUNK_LEN_MAX: usize = 192 << 10;

/// Chunks that may be on their way to one subscriber without a `ChunkTaken`.
pub const CHUNKS_IN_FLIGHT_MAX: usize = 4;

/// The longest encoded message to a subscriber, in bytes: 256 KiB. A longer one ends the stream.
pub const MESSAGE_LEN_MAX: usize = 256 << 10;

/// The longest head of a bundle, in bytes: 172 KiB, which is more than 16 signatures and a table of 4,096 sections take.
pub const HEAD_LEN_MAX: usize = 172 << 10;

/// The most sections of a bundle.
pub const SECTIONS_MAX: usize = 4_096;

/// The most sections that a subscriber may say it holds. What it does not state is sent again.
pub const HELD_SECTIONS_MAX: usize = 1_024;

/// The most VMs in a report.
pub const VMS_MAX: usize = 64;

/// The longest encoded report of one VM, in bytes: 1 KiB, which is more than the longest texts of a NACK take.
pub const VM_REPORT_LEN_MAX: usize = 1 << 10;

/// The longest encoded message of a subscriber, in bytes: 96 KiB, so that a hello fits which states as many sections and
/// VMs as it may. It carries no bundle.
pub const SUBSCRIBER_MESSAGE_LEN_MAX: usize = 96 << 10;

/// The most bundle bytes in one piece of a publication: 4 MiB.
pub const PIECE_LEN_MAX: usize = 4 << 20;

/// The longest node id, in bytes.
pub const NODE_LEN_MAX: usize = 256;

/// The longest name of a ruleset or an audience, in bytes: what a bundle can name.
pub const NAME_LEN_MAX: usize = 63;

/// The longest name of a resource that Envoys fetch, in bytes.
pub const RESOURCE_NAME_LEN_MAX: usize = 256;

/// The longest reason word of a NACK, in bytes.
pub const REASON_LEN_MAX: usize = 64;

/// The longest sentence of a NACK, in bytes.
pub const DETAIL_LEN_MAX: usize = 512;
