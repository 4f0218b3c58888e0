//! What the VM that holds the stream says on it.

use crate::{
    BundleId, InstanceId, ProtoError, Report, SectionHash, VmId,
    limits::SUBSCRIBER_MESSAGE_LEN_MAX,
    proto::{self, decode},
};

/// A message of a subscriber. The first one on a stream is [`Hello`], and only that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberMessage {
    /// Who subscribes to what, and what the instance holds.
    Hello(Hello),
    /// The VMs, as they are now. The next one waits for [`PusherMessage::ReportTaken`](crate::PusherMessage::ReportTaken).
    Report(Report),
    /// One chunk was taken over: the pusher may send another.
    ChunkTaken(ChunkTaken),
    /// Something was lost, or a transfer broke: the pusher begins again for what is newest.
    Holdings(Holdings),
}

/// Who subscribes to what, and what the instance holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Envoy's node id; may be empty. Cut to [`NODE_LEN_MAX`](crate::limits::NODE_LEN_MAX) when encoded.
    pub node: String,
    /// The Envoy process.
    pub instance: InstanceId,
    /// The VM that holds the stream.
    pub vm: VmId,
    /// Of the lease under which it does: the higher one of an instance counts.
    pub epoch: u64,
    /// The ruleset that the filter is configured for: 1 to [`NAME_LEN_MAX`](crate::limits::NAME_LEN_MAX) bytes.
    pub ruleset: String,
    /// The audience that the filter is configured for: 1 to [`NAME_LEN_MAX`](crate::limits::NAME_LEN_MAX) bytes.
    pub audience: Option<String>,
    /// What the instance holds.
    pub holdings: Holdings,
    /// The first report. It counts as taken.
    pub report: Report,
}

/// What an instance holds, for all of its VMs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The bundle at the head of what the VMs share.
    pub held: Option<BundleId>,
    /// The sections that are held whole, of that bundle or of another. Cut to
    /// [`HELD_SECTIONS_MAX`](crate::limits::HELD_SECTIONS_MAX) when encoded: what is not stated is sent again, so the
    /// longest come first.
    pub sections: Vec<SectionHash>,
}

/// Credit for one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkTaken {
    /// The number of the [`Offer`](crate::Offer) that the chunk belongs to.
    pub offer: u32,
    /// The section that the chunk belongs to.
    pub section: SectionHash,
    /// Bytes of the section that were received so far: the end of the chunk.
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
