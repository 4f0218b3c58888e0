//! What `status` lists: as much as fits into its answer, whoever connects.

use std::sync::Arc;

use riskgate_push_protocol::{Delivery, DeliveryAnswer, LastAnswer, VmStatus};

/// More than an entry takes in an answer beside its texts, in bytes.
const ENTRY_LEN: usize = 192;

/// What one stream adds to the list.
pub(crate) trait Entry: Clone {
    /// How much all entries may take in an answer, in bytes. Those of all kinds together fit.
    const LEN_MAX: usize;

    /// More than it takes there, in bytes.
    fn len_in_answer(&self) -> usize;
}

/// As much as fits, and how many entries do not.
#[derive(Debug)]
pub(crate) struct Listing<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) left_out: usize,
}

impl<T: Entry> Listing<T> {
    /// Of streams, the oldest first: who comes in a flood drives out nobody who was there before.
    pub(crate) fn of<'a>(streams: impl IntoIterator<Item = &'a Arc<[T]>>) -> Self
    where
        T: 'a,
    {
        let (mut entries, mut left_out, mut room) = (Vec::new(), 0, T::LEN_MAX);
        for entry in streams.into_iter().flat_map(|entries| entries.iter()) {
            match room.checked_sub(entry.len_in_answer()) {
                Some(rest) if left_out == 0 => {
                    room = rest;
                    entries.push(entry.clone());
                }
                _ => left_out += 1,
            }
        }
        Self { entries, left_out }
    }
}

impl Entry for VmStatus {
    const LEN_MAX: usize = 48 << 20;

    fn len_in_answer(&self) -> usize {
        let answer = match &self.answer {
            LastAnswer::Nack { reason, detail, .. } => reason.len() + detail.len(),
            LastAnswer::Pending | LastAnswer::Ack { .. } => 0,
        };
        let audience = self.audience.as_ref().map_or(0, String::len);
        ENTRY_LEN + self.node.len() + self.ruleset.len() + audience + answer
    }
}

impl Entry for Delivery {
    const LEN_MAX: usize = 12 << 20;

    fn len_in_answer(&self) -> usize {
        let answer = match &self.answer {
            DeliveryAnswer::Rejected { detail } => detail.len(),
            DeliveryAnswer::Pending | DeliveryAnswer::Delivered => 0,
        };
        let audience = self.audience.as_ref().map_or(0, String::len);
        ENTRY_LEN + self.node.len() + self.resource.len() + self.ruleset.len() + audience + answer
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use riskgate_push_protocol::{BundleId, Digest, InstanceId, Status, VmId, proto};

    use super::*;
    use crate::client::STATUS_LEN_MAX;

    fn vm(number: u32) -> VmStatus {
        let held = BundleId {
            revision: u64::MAX,
            digest: Digest([0xff; 32]),
        };
        VmStatus {
            node: "n".repeat(256),
            instance: InstanceId([0xff; 16]),
            vm: VmId(u128::from(number).to_be_bytes()),
            serves_requests: true,
            ruleset: "r".repeat(63),
            audience: Some("a".repeat(63)),
            held: Some(held),
            answer: LastAnswer::Nack {
                revision: u64::MAX,
                reason: "w".repeat(64),
                detail: "d".repeat(512),
            },
            since_ms: u64::MAX,
            connected_at_ms: u64::MAX,
            holds_stream: true,
        }
    }

    fn delivery() -> Delivery {
        Delivery {
            node: "n".repeat(256),
            resource: "r".repeat(256),
            ruleset: "r".repeat(63),
            audience: Some("a".repeat(63)),
            sent: vm(0).held,
            answer: DeliveryAnswer::Rejected {
                detail: "d".repeat(512),
            },
            since_ms: u64::MAX,
            connected_at_ms: u64::MAX,
        }
    }

    #[test]
    fn the_longest_entries_fit_into_an_answer_and_the_oldest_stay() {
        let streams: Vec<Arc<[VmStatus]>> = (0..1_000)
            .map(|stream| {
                (0..64)
                    .map(|vm_number| vm(stream * 64 + vm_number))
                    .collect()
            })
            .collect();
        let vms = Listing::of(&streams);
        assert_eq!(vms.entries.len() + vms.left_out, 64_000);
        assert!(vms.left_out > 10_000 && vms.entries.len() > 40_000);
        assert!(
            vms.entries
                .iter()
                .zip(0..)
                .all(|(listed, number)| listed.vm == vm(number).vm)
        );
        let deliveries = Listing::of(&vec![Arc::from(vec![delivery(); 20_000])]);
        assert!(deliveries.left_out > 0 && deliveries.entries.len() > 8_000);
        let status = Status {
            vms: vms.entries,
            deliveries: deliveries.entries,
            ..Status::default()
        };
        let len = proto::StatusResponse::from(status).encoded_len();
        assert!(len < STATUS_LEN_MAX - (1 << 20), "{len}");
    }
}
