//! Conversions of what the VMs of an instance said.

use super::{ProtoError, field, vm_report};
use crate::{
    BundleId, VmAnswer, VmId,
    limits::{DETAIL_LEN_MAX, REASON_LEN_MAX, VMS_MAX},
};

impl TryFrom<super::Report> for crate::Report {
    type Error = ProtoError;

    fn try_from(wire: super::Report) -> Result<Self, ProtoError> {
        let super::Report { vms, offer } = wire;
        field::not_empty("report.vms", vms.len())?;
        field::not_too_many("report.vms", vms.len(), VMS_MAX)?;
        let vms: Vec<crate::VmReport> = vms
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        let mut ids: Vec<VmId> = vms.iter().map(|report| report.vm).collect();
        ids.sort_unstable();
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(ProtoError::Disordered("report.vms"));
        }
        Ok(Self { vms, offer })
    }
}

impl From<crate::Report> for super::Report {
    fn from(report: crate::Report) -> Self {
        let crate::Report { vms, offer } = report;
        Self {
            vms: vms.into_iter().map(Into::into).collect(),
            offer,
        }
    }
}

impl TryFrom<super::VmReport> for crate::VmReport {
    type Error = ProtoError;

    fn try_from(wire: super::VmReport) -> Result<Self, ProtoError> {
        let super::VmReport {
            vm,
            serves_requests,
            held_revision,
            held_digest,
            answer,
        } = wire;
        let answer = match answer {
            None => VmAnswer::Pending,
            Some(vm_report::Answer::Ack(super::Ack { revision, digest })) => {
                VmAnswer::Ack(field::bundle_id("ack.digest", revision, &digest)?)
            }
            Some(vm_report::Answer::Nack(nack)) => VmAnswer::Nack(nack.try_into()?),
        };
        Ok(Self {
            vm: VmId(field::fixed("vm_report.vm", &vm)?),
            serves_requests,
            held: field::held("vm_report.held_digest", held_revision, &held_digest)?,
            answer,
        })
    }
}

impl From<crate::VmReport> for super::VmReport {
    fn from(report: crate::VmReport) -> Self {
        let crate::VmReport {
            vm,
            serves_requests,
            held,
            answer,
        } = report;
        let (held_revision, held_digest) = field::held_fields(held);
        let answer = match answer {
            VmAnswer::Pending => None,
            VmAnswer::Ack(BundleId { revision, digest }) => {
                Some(vm_report::Answer::Ack(super::Ack {
                    revision,
                    digest: digest.0.to_vec(),
                }))
            }
            VmAnswer::Nack(nack) => Some(vm_report::Answer::Nack(nack.into())),
        };
        Self {
            vm: vm.0.to_vec(),
            serves_requests,
            held_revision,
            held_digest,
            answer,
        }
    }
}

impl TryFrom<super::Nack> for crate::Nack {
    type Error = ProtoError;

    fn try_from(wire: super::Nack) -> Result<Self, ProtoError> {
        let super::Nack {
            revision,
            digest,
            reason,
            detail,
            permanent,
        } = wire;
        field::not_empty("nack.reason", reason.len())?;
        Ok(Self {
            bundle: field::bundle_id("nack.digest", revision, &digest)?,
            reason: field::text("nack.reason", reason, REASON_LEN_MAX)?,
            detail: field::text("nack.detail", detail, DETAIL_LEN_MAX)?,
            permanent,
        })
    }
}

impl From<crate::Nack> for super::Nack {
    fn from(nack: crate::Nack) -> Self {
        let crate::Nack {
            bundle,
            reason,
            detail,
            permanent,
        } = nack;
        Self {
            revision: bundle.revision,
            digest: bundle.digest.0.to_vec(),
            reason: field::cut(reason, REASON_LEN_MAX),
            detail: field::cut(detail, DETAIL_LEN_MAX),
            permanent,
        }
    }
}
