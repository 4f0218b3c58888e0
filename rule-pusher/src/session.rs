//! One stream, without its network and its clocks: what an instance holds, what is on its way to it, what its VMs
//! answered.

mod retries;
mod transfer;
mod vms;

use std::sync::Arc;

use riskgate_push_protocol::{
    BundleId, ChunkTaken, Digest, Hello, Holdings, InstanceId, Nack, PusherMessage, Report,
    SectionHash, SubscriberMessage, VmAnswer, VmId, VmReport, VmStatus,
};
use tokio::time::Instant;

use crate::catalogue::{Publication, Topic};
pub(crate) use retries::Retries;
use transfer::Transfer;
use vms::Vms;

/// What happens on one stream.
#[derive(Debug)]
pub(crate) struct Session {
    subscriber: Subscriber,
    vms: Vms,
    /// What the instance holds, as it stated it or took it over since.
    held: Option<BundleId>,
    /// In ascending order.
    sections: Arc<[SectionHash]>,
    newest: Option<Arc<Publication>>,
    transfer: Option<Transfer>,
    /// What was offered before, and replaced unanswered; and its sections. It may still be taken over.
    abandoned: Option<(Digest, Arc<[SectionHash]>)>,
    /// Offers that were sent on this stream.
    offers: u32,
    /// A report was read, and the VM does not know it yet.
    owes_report_taken: bool,
    retries: Retries,
    /// Whether the transfer of the newest bundle began anew because of what the instance said it holds.
    began_anew: bool,
    /// While a bundle is on its way: since when the VM said nothing that moves it on. Only credit for that very bundle
    /// does; neither does what the VMs say of others, nor a newer bundle in its place.
    silent_since: Option<Instant>,
    /// The publication that the VM will not take on this stream.
    refused: Option<Arc<Publication>>,
    /// A digest that it refused on another stream, in whatever file it comes.
    refused_before: Option<Digest>,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) node: String,
    pub(crate) instance: InstanceId,
    /// The VM that holds the stream.
    pub(crate) holder: VmId,
    pub(crate) topic: Topic,
    pub(crate) connected_at_ms: u64,
}

/// When something happens, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) monotonic: Instant,
    pub(crate) wall_ms: u64,
}

/// A message that the protocol does not allow here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a second hello; a stream takes one")]
    SecondHello,
    #[error("the report does not name the VM that holds the stream")]
    HolderUnreported,
    #[error("a second report before `report_taken` answered the first")]
    ReportInFlight,
    #[error("offer {number} was not made")]
    NoSuchOffer { number: u32 },
    #[error("credit for {received} bytes, but no chunk that was sent and not yet taken ends there")]
    NoSuchChunk { received: u32 },
}

impl Session {
    /// # Errors
    ///
    /// If the report in the hello does not name the VM that holds the stream, or answers an offer.
    pub(crate) fn new(hello: Hello, retries: Retries, now: Now) -> Result<Self, Violation> {
        let Hello {
            node,
            instance,
            vm,
            epoch: _,
            ruleset,
            audience,
            holdings,
            report,
        } = hello;
        let subscriber = Subscriber {
            node,
            instance,
            holder: vm,
            topic: Topic { ruleset, audience },
            connected_at_ms: now.wall_ms,
        };
        let mut session = Self {
            subscriber,
            vms: Vms::default(),
            held: None,
            sections: Arc::default(),
            newest: None,
            transfer: None,
            abandoned: None,
            offers: 0,
            owes_report_taken: false,
            retries,
            began_anew: false,
            silent_since: None,
            refused: None,
            refused_before: None,
        };
        session.state(holdings);
        session.refused_before = match session.answer_in(&report)? {
            VmAnswer::Nack(nack) if nack.permanent && !may_come_of_the_file(&nack.reason) => {
                Some(nack.bundle.digest)
            }
            _ => None,
        };
        session.take_report(report, now)?;
        Ok(session)
    }

    pub(crate) fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    pub(crate) fn held(&self) -> Option<BundleId> {
        self.held
    }

    pub(crate) fn statuses(&self) -> Vec<VmStatus> {
        self.vms.statuses(&self.subscriber)
    }

    /// The VMs, if something about them changed since the last call.
    pub(crate) fn changed_statuses(&mut self) -> Option<Vec<VmStatus>> {
        self.vms.take_changed().then(|| self.statuses())
    }

    /// Something was published, for this topic or for another.
    pub(crate) fn on_newest(&mut self, newest: Option<&Arc<Publication>>, now: Now) {
        let known = match (&self.newest, newest) {
            (Some(known), Some(newest)) => Arc::ptr_eq(known, newest),
            (None, None) => true,
            _ => false,
        };
        if !known {
            self.newest = newest.cloned();
            self.forget_replaced();
            self.retries.forget();
            self.began_anew = false;
            self.offer(now);
        }
    }

    /// Returns what VMs answered that they had not answered before. `random` spreads the retries of many instances.
    pub(crate) fn on_message(
        &mut self,
        message: SubscriberMessage,
        random: u32,
        now: Now,
    ) -> Result<Vec<VmReport>, Violation> {
        match message {
            SubscriberMessage::Hello(_) => Err(Violation::SecondHello),
            SubscriberMessage::Report(report) => self.on_report(report, random, now),
            SubscriberMessage::ChunkTaken(taken) => {
                self.on_chunk_taken(taken, now).map(|()| Vec::new())
            }
            SubscriberMessage::Holdings(holdings) => {
                self.on_holdings(holdings, random, now);
                Ok(Vec::new())
            }
        }
    }

    /// Since when the VM neither took a chunk nor answered, if a bundle is on its way to it.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// When [`Session::on_retry`] is due.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retries.at()
    }

    pub(crate) fn on_retry(&mut self, now: Now) {
        self.retries.end_pause();
        self.offer(now);
    }

    /// Whether [`Session::next_message`] would give one.
    pub(crate) fn has_message(&self) -> bool {
        self.owes_report_taken || self.transfer.as_ref().is_some_and(Transfer::has_message)
    }

    /// The next message for the VM, if its credit allows one.
    pub(crate) fn next_message(&mut self) -> Option<PusherMessage> {
        if std::mem::take(&mut self.owes_report_taken) {
            return Some(PusherMessage::ReportTaken);
        }
        let transfer = self.transfer.as_mut()?;
        transfer.next_message(&mut self.offers, &self.sections)
    }

    fn on_report(
        &mut self,
        report: Report,
        random: u32,
        now: Now,
    ) -> Result<Vec<VmReport>, Violation> {
        if self.owes_report_taken {
            return Err(Violation::ReportInFlight);
        }
        let (answer, offer) = (self.answer_in(&report)?.clone(), report.offer);
        let news = self.take_report(report, now)?;
        self.owes_report_taken = true;
        self.on_answer(answer, offer, random, now);
        self.offer(now);
        Ok(news)
    }

    /// What the VM that holds the stream says in a report.
    fn answer_in<'a>(&self, report: &'a Report) -> Result<&'a VmAnswer, Violation> {
        let holder = self.subscriber.holder;
        let holder = report.vms.iter().find(|vm| vm.vm == holder);
        holder
            .map(|holder| &holder.answer)
            .ok_or(Violation::HolderUnreported)
    }

    fn take_report(&mut self, report: Report, now: Now) -> Result<Vec<VmReport>, Violation> {
        if report.offer > self.offers {
            return Err(Violation::NoSuchOffer {
                number: report.offer,
            });
        }
        let holder = self.subscriber.holder;
        let serves = report.vms.iter().find(|vm| vm.vm == holder);
        // What the VM serves it shares; it may have come from elsewhere.
        let serves = serves.and_then(|vm| vm.held);
        if serves.map(|serves| serves.revision) > self.held.map(|held| held.revision) {
            self.held = serves;
        }
        Ok(self.vms.update(report, now))
    }

    /// An answer to an earlier offer is none to this one, even if it is of the same bundle.
    fn on_answer(&mut self, answer: VmAnswer, offer: u32, random: u32, now: Now) {
        let answers = |digest: Digest| {
            let transfer = self.transfer.as_ref();
            transfer.is_some_and(|transfer| transfer.is_offer(offer) && transfer.digest() == digest)
        };
        match answer {
            VmAnswer::Pending => {}
            VmAnswer::Ack(bundle) if answers(bundle.digest) => {
                if let Some(transfer) = self.end_transfer() {
                    self.held = Some(bundle);
                    self.sections = Arc::clone(&transfer.publication().hashes);
                }
                self.retries.forget();
            }
            VmAnswer::Nack(nack) if answers(nack.bundle.digest) => match self.end_transfer() {
                Some(transfer) if nack.permanent => {
                    self.refused = Some(Arc::clone(transfer.publication()));
                }
                _ => self.retries.schedule(random, now.monotonic),
            },
            VmAnswer::Nack(nack) if offer == self.offers => self.on_late_refusal(&nack),
            VmAnswer::Ack(bundle) => {
                let abandoned = self
                    .abandoned
                    .take_if(|(digest, _)| *digest == bundle.digest);
                if let Some((_, sections)) = abandoned {
                    self.sections = sections;
                }
            }
            VmAnswer::Nack(_) => {}
        }
    }

    /// A VM that could not take the newest bundle for a while says now that it never will.
    fn on_late_refusal(&mut self, nack: &Nack) {
        let newest = self.newest.as_ref();
        let newest = newest.filter(|newest| newest.bundle.digest == nack.bundle.digest);
        if let Some(newest) = newest.filter(|_| nack.permanent && self.transfer.is_none()) {
            self.refused = Some(Arc::clone(newest));
        }
    }

    /// The first one of a publication is answered at once, further ones after pauses: whoever restates without end gets
    /// no transfer without end.
    fn on_holdings(&mut self, holdings: Holdings, random: u32, now: Now) {
        self.state(holdings);
        self.end_transfer();
        if std::mem::replace(&mut self.began_anew, true) {
            self.retries.schedule(random, now.monotonic);
        }
        self.offer(now);
    }

    fn state(&mut self, holdings: Holdings) {
        let Holdings { held, mut sections } = holdings;
        sections.sort_unstable();
        self.held = held;
        self.sections = sections.into();
    }

    /// Credit for a bundle that was abandoned says nothing.
    fn on_chunk_taken(&mut self, taken: ChunkTaken, now: Now) -> Result<(), Violation> {
        if taken.offer > self.offers {
            return Err(Violation::NoSuchOffer {
                number: taken.offer,
            });
        }
        if let Some(transfer) = &mut self.transfer
            && transfer.is_offer(taken.offer)
        {
            transfer.on_taken(taken)?;
            self.silent_since = Some(now.monotonic);
        }
        Ok(())
    }

    fn end_transfer(&mut self) -> Option<Transfer> {
        self.silent_since = None;
        self.transfer.take()
    }

    fn is_offered(&self, digest: Digest) -> bool {
        let offered = self.transfer.as_ref();
        offered.is_some_and(|transfer| transfer.digest() == digest)
    }

    /// A bundle that was replaced is never offered again, and its bytes are long.
    fn forget_replaced(&mut self) {
        let newest = self.newest.as_ref();
        let is_newest =
            |refused: &Arc<Publication>| newest.is_some_and(|newest| Arc::ptr_eq(refused, newest));
        self.refused = self.refused.take().filter(is_newest);
    }

    /// Starts sending the newest bundle, if the instance lacks it and has not refused it. One that was signed anew waits
    /// for the answer to the same bundle in its old file.
    fn offer(&mut self, now: Now) {
        let Some(newest) = self.newest.clone() else {
            return;
        };
        let bundle = newest.bundle;
        if self.is_offered(bundle.digest) {
            return;
        }
        let silent_since = self.silent_since;
        if let Some(transfer) = self.end_transfer().filter(Transfer::was_offered) {
            let sections = Arc::clone(&transfer.publication().hashes);
            self.abandoned = Some((transfer.digest(), sections));
        }
        if self.retries.at().is_some() || self.is_refused(&newest) || !self.lacks(bundle) {
            return;
        }
        self.transfer = Some(Transfer::new(newest));
        self.silent_since = silent_since.or(Some(now.monotonic));
        self.vms.on_offer(bundle, now);
    }

    fn is_refused(&self, newest: &Arc<Publication>) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|refused| Arc::ptr_eq(refused, newest))
            || self.refused_before == Some(newest.bundle.digest)
    }

    /// One of the same revision with other contents is offered as well: the VM then says that the two conflict.
    fn lacks(&self, bundle: BundleId) -> bool {
        self.held.is_none_or(|held| {
            bundle.revision > held.revision
                || (bundle.revision == held.revision && bundle.digest != held.digest)
        })
    }
}

/// Neither signatures nor the sections' bytes are part of the digest: another file of the same bundle may be good.
fn may_come_of_the_file(reason: &str) -> bool {
    ["malformed", "bad-signature", "untrusted", "bad-hash"].contains(&reason)
}

#[cfg(test)]
mod tests;
