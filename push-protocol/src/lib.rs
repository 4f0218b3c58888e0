//! The protocol between the rule pusher and the filters: messages, their limits and their wire form.
//!
//! One VM of an Envoy holds a stream for all. It says [`Hello`], receives the sections that the instance lacks in chunks,
//! and sends a [`Report`] of what every VM made of them. `docs/push-protocol.md` explains the exchange. The types here
//! are checked: whatever [`SubscriberMessage::decode`] or [`PusherMessage::decode`] returns is within the limits of
//! [`limits`], and hostile bytes give an error.
//!
//! ```
//! use riskgate_push_protocol::{ChunkTaken, SectionHash, SubscriberMessage};
//!
//! let taken = ChunkTaken { offer: 1, section: SectionHash([1; 32]), received: 4096 };
//! let message = SubscriberMessage::ChunkTaken(taken);
//! let bytes = message.encode_to_vec();
//! assert_eq!(SubscriberMessage::decode(&bytes), Ok(message));
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
mod report;
mod subscriber;

pub use admin::{
    Delivery, DeliveryAnswer, LastAnswer, Published, PublishedRuleset, Status, VmStatus,
};
pub use id::{BundleId, Digest, InstanceId, KeyId, SectionHash, VmId};
pub use proto::ProtoError;
pub use pusher::{Offer, PusherMessage, SectionChunk};
pub use report::{Nack, Report, VmAnswer, VmReport};
pub use subscriber::{ChunkTaken, Hello, Holdings, SubscriberMessage};

/// The version that a [`Hello`] states.
pub const PROTOCOL_VERSION: u32 = 2;

/// The full gRPC name of the service for filters.
pub const PUSH_SERVICE: &str = "riskgate.push.v2.PushService";

/// The method of [`PUSH_SERVICE`] that opens a stream.
pub const SUBSCRIBE_METHOD: &str = "Subscribe";
