//! What a filter says.

use super::proto;
use crate::{
    BundleId, Digest, InstanceId, Nack, ProtoError, VmId, limits::SUBSCRIBER_MESSAGE_LEN_MAX,
    proto::decode,
};

/// A message of a filter. The first one on a stream is [`Hello`], and only that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberMessage {
    /// Who subscribes to what, and what it holds.
    Hello(Hello),
    /// This bundle serves in this VM now, wherever the VM got it from.
    Ack(BundleId),
    /// This bundle was refused; the last good one serves on.
    Nack(Nack),
    /// The VM has seen its first request.
    ServesRequests,
    /// One chunk was taken over: the pusher may send another.
    ChunkTaken(ChunkTaken),
}

/// Who subscribes to what, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Envoy's node id; may be empty. Cut to [`NODE_LEN_MAX`](crate::limits::NODE_LEN_MAX) when encoded.
    pub node: String,
    /// The Envoy process.
    pub instance: InstanceId,
    /// The VM.
    pub vm: VmId,
    /// Whether this VM has seen a request.
    pub serves_requests: bool,
    /// The ruleset that the filter is configured for: 1 to [`NAME_LEN_MAX`](crate::limits::NAME_LEN_MAX) bytes.
    pub ruleset: String,
    /// The audience that the filter is configured for: 1 to [`NAME_LEN_MAX`](crate::limits::NAME_LEN_MAX) bytes.
    pub audience: Option<String>,
    /// The bundle that serves now. It counts as an ACK of it.
    pub held: Option<BundleId>,
}

/// Credit for one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkTaken {
    /// The bundle that the chunk belongs to.
    pub digest: Digest,
    /// Bytes of the bundle that were received so far: the end of the chunk.
    pub received: u32,
}

impl SubscriberMessage {
    /// The message in its wire form, ready to be sent on the stream.
    #[must_use]
    pub fn encode_to_vec(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(&proto::SubscriberMessage::from(self.clone()))
    }

    /// Reads one message.
    ///
    /// # Errors
    ///
    /// If the bytes are no such message, or if something in it is beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtoError> {
        decode::<proto::SubscriberMessage>(bytes, SUBSCRIBER_MESSAGE_LEN_MAX)?.try_into()
    }
}
