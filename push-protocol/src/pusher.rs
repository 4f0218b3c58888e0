//! What the pusher says on a stream.

use bytes::Bytes;

use crate::{
    BundleId, ProtoError, SectionHash,
    limits::MESSAGE_LEN_MAX,
    proto::{self, decode},
};

/// A message of the pusher: a bundle is one [`Offer`] and then the chunks of the sections that follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PusherMessage {
    /// A bundle. What came before it and was not finished is abandoned.
    Offer(Offer),
    /// The next bytes of the sections that follow the last offer.
    Chunk(SectionChunk),
    /// The report was read: the next one may be sent.
    ReportTaken,
}

/// A bundle, and which of its sections follow in chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Counts the offers of the stream: 1, 2, 3, …
    pub number: u32,
    /// Which bundle.
    pub bundle: BundleId,
    /// Header, manifest, signatures and section table, as the file has them that lacks its detached sections: 1 to
    /// [`HEAD_LEN_MAX`](crate::limits::HEAD_LEN_MAX) bytes. What they say is for the receiver to check.
    pub head: Bytes,
    /// Places in the section table of the sections that follow: ascending, below
    /// [`SECTIONS_MAX`](crate::limits::SECTIONS_MAX).
    pub sent: Vec<u32>,
}

/// The next bytes of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionChunk {
    /// Which section.
    pub section: SectionHash,
    /// Where `data` belongs in the section, in bytes. Whether it follows the chunk before is for the receiver to check.
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
