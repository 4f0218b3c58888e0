//! What the pusher says on a subscriber's stream.

use bytes::Bytes;

use super::proto;
use crate::{BundleId, Digest, ProtoError, limits::MESSAGE_LEN_MAX, proto::decode};

/// A message of the pusher: a bundle is one [`BundleStart`] and then its chunks in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PusherMessage {
    /// A bundle begins. If another one was under way, that one is abandoned.
    Start(BundleStart),
    /// The next bytes of the bundle that began last.
    Chunk(BundleChunk),
}

/// A bundle begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleStart {
    /// Which bundle.
    pub bundle: BundleId,
    /// Bytes that follow in chunks: 1 to [`BUNDLE_LEN_MAX`](crate::limits::BUNDLE_LEN_MAX).
    pub total_len: u32,
}

/// The next bytes of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleChunk {
    /// Which bundle.
    pub digest: Digest,
    /// Where `data` belongs in the bundle, in bytes. Whether it follows the chunk before is for the receiver to check.
    pub offset: u32,
    /// 1 to [`CHUNK_LEN_MAX`](crate::limits::CHUNK_LEN_MAX) bytes, which end within
    /// [`BUNDLE_LEN_MAX`](crate::limits::BUNDLE_LEN_MAX).
    pub data: Bytes,
}

impl PusherMessage {
    /// The message in its wire form.
    #[must_use]
    pub fn encode_to_vec(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(&proto::PusherMessage::from(self.clone()))
    }

    /// Reads one message.
    ///
    /// # Errors
    ///
    /// If the bytes are no such message, or if something in it is beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtoError> {
        decode::<proto::PusherMessage>(bytes, MESSAGE_LEN_MAX)?.try_into()
    }
}
