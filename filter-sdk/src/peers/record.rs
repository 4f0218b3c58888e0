//! What stands in shared data for a VM and for the lease. Other bytes than these are as if nothing stood there.

use crate::identity::Nonce;
use riskgate_push_protocol::{VmId, VmReport};

/// What is longer is no record, and is not even looked at, in bytes.
pub(super) const VALUE_LEN_MAX: usize = 4 << 10;
/// The lease's holder has no slot.
const NO_SLOT: u8 = u8::MAX;

/// A VM that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotRecord {
    /// When the VM last wrote, by the monotonic clock.
    pub(super) heartbeat_ns: u64,
    /// Its nonce is the VM's name, too.
    pub(super) report: VmReport,
}

/// Who holds the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeaseRecord {
    pub(super) holder: Nonce,
    /// Where the holder can be woken.
    pub(super) slot: Option<u8>,
    /// Since when it holds the lease, by the monotonic clock: higher than that of all before it.
    pub(super) epoch: u64,
    /// Until when it does unless it renews it, by the monotonic clock.
    pub(super) deadline_ns: u64,
}

impl SlotRecord {
    pub(super) fn nonce(&self) -> Nonce {
        self.report.vm.0
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let report = self.report.encode_to_vec();
        [&self.heartbeat_ns.to_le_bytes()[..], &self.nonce(), &report].concat()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<SlotRecord> {
        let (heartbeat_ns, rest) = bytes.split_first_chunk::<8>()?;
        let (nonce, report) = rest.split_first_chunk::<16>()?;
        let report = VmReport::decode(report).ok()?;
        (report.vm == VmId(*nonce)).then_some(SlotRecord {
            heartbeat_ns: u64::from_le_bytes(*heartbeat_ns),
            report,
        })
    }
}

impl LeaseRecord {
    pub(super) fn write(&self) -> Vec<u8> {
        [
            &self.holder[..],
            &[self.slot.unwrap_or(NO_SLOT)],
            &self.epoch.to_le_bytes(),
            &self.deadline_ns.to_le_bytes(),
        ]
        .concat()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<LeaseRecord> {
        let (holder, rest) = bytes.split_first_chunk::<16>()?;
        let (slot, rest) = rest.split_first()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (deadline_ns, rest) = rest.split_first_chunk::<8>()?;
        rest.is_empty().then_some(LeaseRecord {
            holder: *holder,
            slot: Some(*slot).filter(|slot| *slot != NO_SLOT),
            epoch: u64::from_le_bytes(*epoch),
            deadline_ns: u64::from_le_bytes(*deadline_ns),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use riskgate_push_protocol::limits::{DETAIL_LEN_MAX, REASON_LEN_MAX};
    use riskgate_push_protocol::{BundleId, Digest, Nack, VmAnswer};

    fn report(reason_len: usize, detail_len: usize) -> VmReport {
        let bundle = BundleId {
            revision: u64::MAX,
            digest: Digest([7; 32]),
        };
        let nack = Nack {
            bundle,
            reason: "r".repeat(reason_len),
            detail: "d".repeat(detail_len),
            permanent: true,
        };
        VmReport {
            vm: VmId([3; 16]),
            serves_requests: true,
            held: Some(bundle),
            answer: VmAnswer::Nack(nack),
        }
    }

    #[test]
    fn the_longest_record_is_read_as_it_was_written() {
        let record = SlotRecord {
            heartbeat_ns: u64::MAX,
            report: report(REASON_LEN_MAX, DETAIL_LEN_MAX),
        };
        let bytes = record.write();
        assert_eq!(SlotRecord::read(&bytes), Some(record));
    }

    #[test]
    fn a_record_of_two_names_is_none() {
        let record = SlotRecord {
            heartbeat_ns: 5,
            report: report(1, 1),
        };
        let mut bytes = record.write();
        bytes[8] ^= 1;
        assert_eq!(SlotRecord::read(&bytes), None);
    }

    proptest! {
        #[test]
        fn a_lease_is_read_as_it_was_written(holder: Nonce, slot in 0..64_u8, epoch: u64, deadline_ns: u64) {
            for slot in [None, Some(slot)] {
                let record = LeaseRecord { holder, slot, epoch, deadline_ns };
                let bytes = record.write();
                prop_assert_eq!(LeaseRecord::read(&bytes), Some(record));
                prop_assert_eq!(LeaseRecord::read(&bytes[1..]), None);
                prop_assert_eq!(LeaseRecord::read(&[&bytes[..], b"x"].concat()), None);
            }
        }
    }
}
