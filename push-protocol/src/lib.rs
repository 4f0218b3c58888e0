//! The protocol between the rule pusher and the filters: messages, their limits and their wire form.
//!
//! A filter opens one stream per VM, says [`Hello`], receives a bundle in chunks and answers with an ACK or a NACK.
//! `docs/push-protocol.md` explains the exchange. The types here are checked: whatever [`SubscriberMessage::decode`] or
//! [`PusherMessage::decode`] returns is within the limits of [`limits`], and hostile bytes give an error.
//!
//! ```
//! use riskgate_push_protocol::{BundleId, Digest, SubscriberMessage};
//!
//! let ack = SubscriberMessage::Ack(BundleId { revision: 7, digest: Digest([1; 32]) });
//! let bytes = ack.encode_to_vec();
//! assert_eq!(SubscriberMessage::decode(&bytes), Ok(ack));
//! assert!(SubscriberMessage::decode(b"\xff\xff").is_err());
//! ```
//!
//! By default the crate is messages only and builds for wasm; the feature `tonic` adds the gRPC client and server to
//! [`proto`]. It never looks inside a bundle and never decides whether one may be loaded.

mod admin;
pub mod envoy;
mod id;
pub mod limits;
pub mod proto;
mod pusher;
mod subscriber;

pub use admin::{LastAnswer, Published, PublishedRuleset, Status, VmStatus};
pub use id::{BundleId, Digest, InstanceId, KeyId, VmId};
pub use proto::ProtoError;
pub use pusher::{BundleChunk, BundleStart, PusherMessage};
pub use subscriber::{ChunkTaken, Hello, Nack, SubscriberMessage};

/// The version that a [`Hello`] states.
pub const PROTOCOL_VERSION: u32 = 1;

/// The full gRPC name of the service for filters.
pub const PUSH_SERVICE: &str = "riskgate.push.v1.PushService";

/// The method of [`PUSH_SERVICE`] that opens a stream.
pub const SUBSCRIBE_METHOD: &str = "Subscribe";
