//! What is said on the stream: offers and their sections one way, what the VMs serve the other way.

use super::{Delivery, IsBusy, mark_id, nack};
use crate::identity::Identity;
use crate::intake::{Intake, Judged, Taken, Violation};
use crate::load::Loader;
use crate::peers::Role;
use crate::seat::Seat;
use crate::shared::{Load, SLICE, Step};
use crate::subscription::Subscription;
use crate::vm::Writer;
use riskgate_push_protocol::limits::{CHUNKS_IN_FLIGHT_MAX, VMS_MAX};
use riskgate_push_protocol::{
    Hello, Holdings, InstanceId, Offer, PusherMessage, Report, SectionChunk, SectionHash,
    SubscriberMessage, VmAnswer, VmId, VmReport,
};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// How the log calls a bundle that came by the stream.
pub(crate) const ORIGIN: &str = "from the push service";
/// The stable word for a stream that breaks the rules.
const BAD_STREAM: &str = "bad-stream";

/// More refused offers than these at once end the stream: each costs the check of its signatures.
const REFUSED_MAX: u32 = 16;
/// One refused offer is forgotten in so many ticks.
const TICKS_PER_REFUSED: u32 = 10;

/// What was said on the stream that is open.
#[derive(Default)]
pub(super) struct Talk {
    /// The number of the last offer.
    offer: u32,
    incoming: Incoming,
    reported: Option<Report>,
    report_is_taken: bool,
    /// Offers that were refused, less one for each second since.
    refused: u32,
    ticks: u32,
}

#[derive(Default)]
enum Incoming {
    /// Nothing was offered.
    #[default]
    Nothing,
    Intake(Box<Intake>),
    /// The offer was answered: so many chunks, which may still be on their way, are dropped. There are no more, for they
    /// give no credit.
    Answered {
        late: usize,
    },
}

const ANSWERED: Incoming = Incoming::Answered {
    late: CHUNKS_IN_FLIGHT_MAX,
};

impl Delivery {
    /// A message of `len` bytes came on a stream.
    pub(crate) fn on_message(
        &mut self,
        loader: &mut Loader<'_>,
        serves_requests: bool,
        token: u32,
        len: usize,
    ) {
        let subscription = self.subscription.as_ref();
        let Some(received) = subscription.and_then(|open| open.receive(loader, token, len)) else {
            return;
        };
        let handled = received.and_then(|message| self.handle(loader, message));
        if let Err(violation) = handled {
            loader.report_refused(BAD_STREAM, &violation, ORIGIN);
            self.break_off();
            if let Some(subscription) = &mut self.subscription {
                subscription.give_up(loader, &violation);
            }
        }
        self.work(loader, serves_requests, false);
    }

    /// The other end closed a stream.
    pub(crate) fn on_close(&mut self, loader: &Loader<'_>, token: u32, status: u32) {
        if let Some(subscription) = &mut self.subscription
            && subscription.on_close(loader, token, status)
        {
            self.break_off();
        }
    }

    /// Time passes on the stream.
    pub(super) fn talk_tick(&mut self) {
        self.talk.ticks = self.talk.ticks.wrapping_add(1);
        if self.talk.ticks.is_multiple_of(TICKS_PER_REFUSED) {
            self.talk.refused = self.talk.refused.saturating_sub(1);
        }
    }

    /// What has come of a bundle is of no use once it, or a newer one, serves.
    pub(super) fn drop_overtaken(&mut self, loader: &Loader<'_>) {
        let Some(served) = loader.serving.mark() else {
            return;
        };
        if let Incoming::Intake(intake) = &mut self.talk.incoming
            && intake.load().mark() == served
        {
            self.answer = VmAnswer::Ack(mark_id(served));
            self.talk.incoming = ANSWERED;
        }
        let donor = self.donor.take();
        self.donor = donor.filter(|donor| donor.mark().revision > served.revision);
    }

    /// Goes on with the bundle that the stream brings.
    pub(super) fn step(&mut self, loader: &mut Loader<'_>) -> IsBusy {
        let Incoming::Intake(intake) = &mut self.talk.incoming else {
            return false;
        };
        let vm = self.vm.nonce(loader.host).unwrap_or_default();
        let mut work = SLICE;
        let writes = self.writer.as_ref().is_some_and(Writer::writes);
        let load = intake.load();
        if writes && load.is_whole() && self.shared.stage(loader.host, load, &mut work) {
            return true;
        }
        let mut notes = self.shared.notes(vm);
        match intake.load().step(loader, &mut notes, &mut work) {
            Step::Working => return true,
            Step::Starved | Step::Waiting | Step::Torn => return false,
            Step::Done(mark) => self.answer = VmAnswer::Ack(mark_id(mark)),
            Step::Rejected(rejection) => {
                let mark = intake.load().mark();
                self.shared.withdraw(loader.host, mark);
                self.answer = VmAnswer::Nack(nack(mark_id(mark), &rejection));
            }
        }
        self.talk.incoming = match intake.is_complete() {
            true => Incoming::Nothing,
            false => ANSWERED,
        };
        false
    }

    /// There is no stream here: whoever keeps it begins with what the VMs share.
    pub(super) fn rest(&mut self, loader: &Loader<'_>) {
        if let Some(subscription) = &mut self.subscription {
            subscription.rest(loader);
        }
        if let Incoming::Intake(_) = std::mem::take(&mut self.talk).incoming {
            self.answer = self.shared_answer.clone();
        }
        self.donor = None;
    }

    /// What was said on the stream counts no more; what came of a bundle is kept for the next stream.
    fn break_off(&mut self) {
        let talk = std::mem::take(&mut self.talk);
        if let Incoming::Intake(intake) = talk.incoming {
            self.donor = Some(intake.into_load());
        }
    }

    pub(super) fn open(&mut self, loader: &Loader<'_>, seat: &mut Seat, role: Role, own: VmReport) {
        self.break_off();
        let report = self.full_report(loader, seat, own);
        let hello = self.hello(loader, seat, role, report.clone());
        let Some(subscription) = &mut self.subscription else {
            return;
        };
        let Some(epoch) = role.epoch() else {
            return;
        };
        if subscription.open(loader, epoch, &hello) {
            self.talk.reported = Some(report);
            self.talk.report_is_taken = true;
        }
    }

    fn hello(
        &mut self,
        loader: &Loader<'_>,
        seat: &Seat,
        role: Role,
        report: Report,
    ) -> SubscriberMessage {
        let vm = seat.vm;
        let identity = self
            .identity
            .get_or_insert_with(|| Identity::establish(loader.host, vm));
        let instance = match role {
            Role::Alone => vm,
            Role::Holder { .. } | Role::Follower { .. } => identity.instance,
        };
        let node = identity.node.clone();
        SubscriberMessage::Hello(Hello {
            node,
            instance: InstanceId(instance),
            vm: VmId(vm),
            epoch: role.epoch().unwrap_or_default(),
            ruleset: loader.config.ruleset.clone(),
            audience: loader.config.audience.clone(),
            holdings: self.holdings(loader),
            report,
        })
    }

    fn holdings(&self, loader: &Loader<'_>) -> Holdings {
        let served = loader.serving.whole_sections().iter();
        let donated = self.donor.iter().flat_map(Load::whole_sections);
        // There is room for so many only, and what is not stated travels again. Sorting the sections by length and hash would
        // be a tenth of the module's code.
        let mut longest_first = BTreeSet::new();
        for section in served.chain(donated) {
            longest_first.insert((Reverse(section.bytes().len()), *section.hash()));
        }
        let sections = longest_first.into_iter();
        Holdings {
            held: loader.held().map(mark_id),
            sections: sections.map(|(_, hash)| SectionHash(hash)).collect(),
        }
    }

    /// This VM first, whatever the slots say.
    fn full_report(&self, loader: &Loader<'_>, seat: &mut Seat, own: VmReport) -> Report {
        let mut vms = vec![own];
        vms.extend(seat.peers.others(loader.host));
        vms.truncate(VMS_MAX);
        let offer = self.talk.offer;
        Report { vms, offer }
    }

    /// Says what the VMs serve, if that has changed and the report before this one was read.
    pub(super) fn report(&mut self, loader: &Loader<'_>, seat: &mut Seat, own: VmReport) {
        let is_open = self
            .subscription
            .as_ref()
            .is_some_and(Subscription::is_open);
        if !is_open || !self.talk.report_is_taken {
            return;
        }
        let report = self.full_report(loader, seat, own);
        if self.talk.reported.as_ref() != Some(&report) {
            self.talk.report_is_taken = false;
            self.talk.reported = Some(report.clone());
            self.send(loader, &SubscriberMessage::Report(report));
        }
    }

    fn send(&mut self, loader: &Loader<'_>, message: &SubscriberMessage) {
        if let Some(subscription) = &mut self.subscription {
            subscription.send(loader, message);
        }
    }

    fn handle(&mut self, loader: &mut Loader<'_>, message: PusherMessage) -> Result<(), Violation> {
        match message {
            PusherMessage::Offer(offer) => self.on_offer(loader, &offer),
            PusherMessage::Chunk(chunk) => self.on_chunk(loader, &chunk),
            PusherMessage::ReportTaken if self.talk.report_is_taken => Err(Violation::NoReport),
            PusherMessage::ReportTaken => {
                self.talk.report_is_taken = true;
                Ok(())
            }
        }
    }

    fn on_offer(&mut self, loader: &mut Loader<'_>, offer: &Offer) -> Result<(), Violation> {
        let (found, last) = (offer.number, self.talk.offer);
        if found <= last {
            return Err(Violation::OfferNumber { found, last });
        }
        self.talk.offer = found;
        let donor = match std::mem::replace(&mut self.talk.incoming, ANSWERED) {
            Incoming::Intake(intake) => Some(intake.into_load()),
            Incoming::Nothing | Incoming::Answered { .. } => self.donor.take(),
        };
        self.answer = VmAnswer::Pending;
        match Intake::begin(loader, offer, donor)? {
            Judged::Good(intake) => self.talk.incoming = Incoming::Intake(Box::new(intake)),
            Judged::Bad(rejection) => {
                self.answer = VmAnswer::Nack(nack(offer.bundle, &rejection));
                self.talk.refused += 1;
                if self.talk.refused > REFUSED_MAX {
                    return Err(Violation::Refused);
                }
            }
            Judged::Lacking(load) => {
                self.donor = Some(load);
                let holdings = self.holdings(loader);
                self.send(loader, &SubscriberMessage::Holdings(holdings));
            }
        }
        Ok(())
    }

    fn on_chunk(&mut self, loader: &Loader<'_>, chunk: &SectionChunk) -> Result<(), Violation> {
        match &mut self.talk.incoming {
            Incoming::Nothing | Incoming::Answered { late: 0 } => Err(Violation::Unasked),
            Incoming::Answered { late } => {
                *late -= 1;
                Ok(())
            }
            Incoming::Intake(intake) => {
                match intake.take(chunk)? {
                    Taken::Credit(taken) => {
                        self.send(loader, &SubscriberMessage::ChunkTaken(taken));
                    }
                    Taken::Bad(rejection) => {
                        loader.report_refused(rejection.code(), &rejection, ORIGIN);
                        let bundle = mark_id(intake.load().mark());
                        self.answer = VmAnswer::Nack(nack(bundle, &rejection));
                        self.talk.incoming = ANSWERED;
                    }
                }
                Ok(())
            }
        }
    }
}
