//! Conversions of what the VM that holds the stream says on it.

use super::{
    ProtoError, field,
    subscriber_message::Message::{ChunkTaken, Hello, Holdings, Report},
};
use crate::{
    InstanceId, PROTOCOL_VERSION, SectionHash, SubscriberMessage, VmId,
    limits::{HELD_SECTIONS_MAX, NODE_LEN_MAX},
};

/// Of a BLAKE3 hash, in bytes.
const HASH_LEN: usize = 32;

impl TryFrom<super::SubscriberMessage> for SubscriberMessage {
    type Error = ProtoError;

    fn try_from(wire: super::SubscriberMessage) -> Result<Self, ProtoError> {
        let super::SubscriberMessage { message } = wire;
        Ok(match message.ok_or(ProtoError::UnknownKind)? {
            Hello(hello) => Self::Hello(hello.try_into()?),
            Report(report) => Self::Report(report.try_into()?),
            ChunkTaken(taken) => Self::ChunkTaken(taken.try_into()?),
            Holdings(holdings) => Self::Holdings(holdings.try_into()?),
        })
    }
}

impl From<SubscriberMessage> for super::SubscriberMessage {
    fn from(message: SubscriberMessage) -> Self {
        let message = match message {
            SubscriberMessage::Hello(hello) => Hello(hello.into()),
            SubscriberMessage::Report(report) => Report(report.into()),
            SubscriberMessage::ChunkTaken(taken) => ChunkTaken(taken.into()),
            SubscriberMessage::Holdings(holdings) => Holdings(holdings.into()),
        };
        Self {
            message: Some(message),
        }
    }
}

impl TryFrom<super::Hello> for crate::Hello {
    type Error = ProtoError;

    fn try_from(wire: super::Hello) -> Result<Self, ProtoError> {
        let super::Hello {
            protocol,
            node,
            instance,
            vm,
            epoch,
            ruleset,
            audience,
            holdings,
            report,
        } = wire;
        if protocol != PROTOCOL_VERSION {
            return Err(ProtoError::UnsupportedVersion(protocol));
        }
        Ok(Self {
            node: field::text("hello.node", node, NODE_LEN_MAX)?,
            instance: InstanceId(field::fixed("hello.instance", &instance)?),
            vm: VmId(field::fixed("hello.vm", &vm)?),
            epoch,
            ruleset: field::name("hello.ruleset", ruleset)?,
            audience: field::optional_name("hello.audience", audience)?,
            holdings: holdings.unwrap_or_default().try_into()?,
            report: report.unwrap_or_default().try_into()?,
        })
    }
}

impl From<crate::Hello> for super::Hello {
    fn from(hello: crate::Hello) -> Self {
        let crate::Hello {
            node,
            instance,
            vm,
            epoch,
            ruleset,
            audience,
            holdings,
            report,
        } = hello;
        Self {
            protocol: PROTOCOL_VERSION,
            node: field::cut(node, NODE_LEN_MAX),
            instance: instance.0.to_vec(),
            vm: vm.0.to_vec(),
            epoch,
            ruleset,
            audience: audience.unwrap_or_default(),
            holdings: Some(holdings.into()),
            report: Some(report.into()),
        }
    }
}

impl TryFrom<super::Holdings> for crate::Holdings {
    type Error = ProtoError;

    fn try_from(wire: super::Holdings) -> Result<Self, ProtoError> {
        let super::Holdings {
            held_revision,
            held_digest,
            sections,
        } = wire;
        let (hashes, rest) = sections.as_chunks::<HASH_LEN>();
        field::not_too_many("holdings.sections", hashes.len(), HELD_SECTIONS_MAX)?;
        if !rest.is_empty() {
            return Err(ProtoError::WrongLength {
                field: "last of holdings.sections",
                len: rest.len(),
                expected: HASH_LEN,
            });
        }
        Ok(Self {
            held: field::held("holdings.held_digest", held_revision, &held_digest)?,
            sections: hashes.iter().copied().map(SectionHash).collect(),
        })
    }
}

impl From<crate::Holdings> for super::Holdings {
    fn from(holdings: crate::Holdings) -> Self {
        let crate::Holdings { held, sections } = holdings;
        let (held_revision, held_digest) = field::held_fields(held);
        let stated = sections.iter().take(HELD_SECTIONS_MAX);
        Self {
            held_revision,
            held_digest,
            sections: stated.flat_map(|hash| hash.0).collect(),
        }
    }
}

impl TryFrom<super::ChunkTaken> for crate::ChunkTaken {
    type Error = ProtoError;

    fn try_from(wire: super::ChunkTaken) -> Result<Self, ProtoError> {
        let super::ChunkTaken {
            offer,
            section,
            received,
        } = wire;
        Ok(Self {
            offer,
            section: SectionHash(field::fixed("chunk_taken.section", &section)?),
            received,
        })
    }
}

impl From<crate::ChunkTaken> for super::ChunkTaken {
    fn from(taken: crate::ChunkTaken) -> Self {
        let crate::ChunkTaken {
            offer,
            section,
            received,
        } = taken;
        Self {
            offer,
            section: section.0.to_vec(),
            received,
        }
    }
}
