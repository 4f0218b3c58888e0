//! What the VMs of an instance serve, and what they said to the bundle that they were given.

use crate::{BundleId, ProtoError, VmId, limits::VM_REPORT_LEN_MAX, proto};

/// All VMs of an instance that are alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// 1 to [`VMS_MAX`](crate::limits::VMS_MAX), each once. The VM that holds the stream is among them; that is for the
    /// receiver to check.
    pub vms: Vec<VmReport>,
    /// The number of the last [`Offer`](crate::Offer) that was read when the report was made; 0 for none. Only a report
    /// of the current offer answers it.
    pub offer: u32,
}

/// One VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmReport {
    /// Which.
    pub vm: VmId,
    /// Whether it has seen a request.
    pub serves_requests: bool,
    /// What serves in it, wherever it got it from.
    pub held: Option<BundleId>,
    /// What it said to the bundle that it was given last.
    pub answer: VmAnswer,
}

impl VmReport {
    /// What it is within a report, so that a VM can leave it to the one that holds the stream.
    #[must_use]
    pub fn encode_to_vec(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(&proto::VmReport::from(self.clone()))
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// If the bytes are none, or if something in it is beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtoError> {
        proto::decode::<proto::VmReport>(bytes, VM_REPORT_LEN_MAX)?.try_into()
    }
}

/// What a VM said to a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VmAnswer {
    /// It was given none, or has not answered yet.
    Pending,
    /// The bundle serves.
    Ack(BundleId),
    /// The bundle was refused; the last good one serves on.
    Nack(Nack),
}

/// A refusal of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The bundle, as it was offered.
    pub bundle: BundleId,
    /// A stable word, `bad-signature` or `expired` for example. Cut to
    /// [`REASON_LEN_MAX`](crate::limits::REASON_LEN_MAX) when encoded; not empty.
    pub reason: String,
    /// A sentence for people. Cut to [`DETAIL_LEN_MAX`](crate::limits::DETAIL_LEN_MAX) when encoded.
    pub detail: String,
    /// Whether this digest will never be accepted, so that it must not be sent again.
    pub permanent: bool,
}
