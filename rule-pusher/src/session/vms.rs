//! The VMs of an instance, as `status` lists them.

use riskgate_push_protocol::{BundleId, LastAnswer, Report, VmAnswer, VmReport, VmStatus};

use super::{Now, Subscriber};

/// The VMs of the last report.
#[derive(Debug, Default)]
pub(super) struct Vms {
    vms: Vec<Vm>,
    /// The last bundle that the stream was offered: what the VMs are asked about.
    offered: Option<BundleId>,
    /// Something that `status` shows.
    changed: bool,
}

#[derive(Debug)]
struct Vm {
    report: VmReport,
    /// What `status` shows as its answer.
    shown: VmAnswer,
    since_ms: u64,
}

impl Vms {
    /// Takes a report over. Returns what VMs answered that they had not answered before.
    pub(super) fn update(&mut self, report: Report, now: Now) -> Vec<VmReport> {
        let Report { vms, offer: _ } = report;
        let mut before = std::mem::take(&mut self.vms);
        let mut news = Vec::new();
        for report in vms {
            let known = before.iter().position(|vm| vm.report.vm == report.vm);
            let known = known.map(|place| before.swap_remove(place));
            let said = known
                .as_ref()
                .map_or(&VmAnswer::Pending, |known| &known.report.answer);
            if report.answer != VmAnswer::Pending && report.answer != *said {
                news.push(report.clone());
            }
            let shown = self.shown(&report.answer, known.as_ref());
            self.changed |= known.as_ref().is_none_or(|known| known.report != report);
            let since_ms = known
                .filter(|known| known.shown == shown)
                .map_or(now.wall_ms, |known| known.since_ms);
            self.vms.push(Vm {
                report,
                shown,
                since_ms,
            });
        }
        self.changed |= !before.is_empty();
        news
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What VMs said of older bundles is no answer to this one.
    pub(super) fn on_offer(&mut self, bundle: BundleId, now: Now) {
        self.offered = Some(bundle);
        for vm in &mut self.vms {
            if vm.shown != VmAnswer::Pending && !answers(&vm.shown, bundle) {
                vm.shown = VmAnswer::Pending;
                vm.since_ms = now.wall_ms;
                self.changed = true;
            }
        }
    }

    pub(super) fn statuses(&self, subscriber: &Subscriber) -> Vec<VmStatus> {
        self.vms.iter().map(|vm| vm.status(subscriber)).collect()
    }

    /// A bundle that is offered once more keeps the answer that tells why, until there is another.
    fn shown(&self, answer: &VmAnswer, known: Option<&Vm>) -> VmAnswer {
        let Some(offered) = self.offered else {
            return answer.clone();
        };
        match known {
            Some(Vm { shown, .. }) if *answer == VmAnswer::Pending && answers(shown, offered) => {
                shown.clone()
            }
            _ if answers(answer, offered) => answer.clone(),
            _ => VmAnswer::Pending,
        }
    }
}

impl Vm {
    fn status(&self, subscriber: &Subscriber) -> VmStatus {
        let Subscriber {
            node,
            instance,
            holder,
            topic,
            connected_at_ms,
        } = subscriber;
        VmStatus {
            node: node.clone(),
            instance: *instance,
            vm: self.report.vm,
            serves_requests: self.report.serves_requests,
            ruleset: topic.ruleset.clone(),
            audience: topic.audience.clone(),
            held: self.report.held,
            answer: last_answer(&self.shown),
            since_ms: self.since_ms,
            connected_at_ms: *connected_at_ms,
            holds_stream: self.report.vm == *holder,
        }
    }
}

/// Whether an answer is one to this bundle, or to a later one that the VM has from elsewhere.
fn answers(answer: &VmAnswer, offered: BundleId) -> bool {
    let answered = match answer {
        VmAnswer::Pending => return false,
        VmAnswer::Ack(bundle) => *bundle,
        VmAnswer::Nack(nack) => nack.bundle,
    };
    answered.digest == offered.digest || answered.revision > offered.revision
}

fn last_answer(answer: &VmAnswer) -> LastAnswer {
    match answer {
        VmAnswer::Pending => LastAnswer::Pending,
        VmAnswer::Ack(bundle) => LastAnswer::Ack {
            revision: bundle.revision,
        },
        VmAnswer::Nack(nack) => LastAnswer::Nack {
            revision: nack.bundle.revision,
            reason: nack.reason.clone(),
            detail: nack.detail.clone(),
        },
    }
}
