//! Version 1 of the protocol for filters: a stream for each VM, and whole bundles.

pub mod proto;
mod pusher;
mod subscriber;

pub use pusher::{BundleChunk, BundleStart, PusherMessage};
pub use subscriber::{ChunkTaken, Hello, SubscriberMessage};

/// The version that a [`Hello`] states.
pub const PROTOCOL_VERSION: u32 = 1;

/// The full gRPC name of the service for filters.
pub const PUSH_SERVICE: &str = "riskgate.push.v1.PushService";
