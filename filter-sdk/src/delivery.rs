//! How bundles come to one filter, and how its VM's answer goes back.
//!
//! The VM that holds the lease takes them from the push service's stream and leaves them in shared data; all VMs load them from
//! there, each for itself, and write what became of it into their slots, which the holder reports.

use crate::config::Config;
use crate::host::Level;
use crate::identity::Identity;
use crate::intake::{Intake, Judged, Taken, Violation};
use crate::load::Loader;
use crate::metrics::Metric;
use crate::namespace::Namespace;
use crate::peers::{Role, Told};
use crate::rejection::Rejection;
use crate::seat::Seat;
use crate::shared::{Load, Progress, SLICE, Shared, Step};
use crate::subscription::Subscription;
use crate::vm::{Vm, Writer};
use riskgate_engine::admission::Mark;
use riskgate_engine::assembly::WholeSection;
use riskgate_push_protocol::limits::VMS_MAX;
use riskgate_push_protocol::{
    BundleId, Digest, Hello, Holdings, InstanceId, Nack, Offer, PusherMessage, Report,
    SectionChunk, SectionHash, SubscriberMessage, VmAnswer, VmId, VmReport,
};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;

/// How the log calls a bundle that came by the stream.
pub(crate) const ORIGIN: &str = "from the push service";
/// How the log calls the bundle of the configuration.
const CONFIGURED: &str = "from the plugin configuration";
/// The stable word for a stream that breaks the rules.
const BAD_STREAM: &str = "bad-stream";

/// What one configured filter has for it.
pub(crate) struct Delivery {
    vm: Vm,
    /// Whether this filter acts for the VM: it is woken, keeps the stream and reports. Nothing once it has ended.
    writer: Option<Writer>,
    is_acting: bool,
    namespace: Namespace,
    /// Taken at the first tick: a VM that never ticks has none.
    seat: Option<Rc<RefCell<Seat>>>,
    subscription: Option<Subscription>,
    identity: Option<Identity>,
    shared: Shared,
    /// The bundle of shared data that the others were woken for.
    told: Option<BundleId>,
    /// What became of the last bundle that this VM was given.
    answer: VmAnswer,
    /// What was made of the head of shared data when that was looked at last.
    shared_answer: VmAnswer,
    talk: Talk,
    /// What has come of a bundle whose transfer broke.
    donor: Option<Load>,
}

/// What was said on the stream that is open.
#[derive(Default)]
struct Talk {
    /// The number of the last offer.
    offer: u32,
    incoming: Incoming,
    reported: Option<Report>,
    report_is_taken: bool,
}

#[derive(Default)]
enum Incoming {
    /// Nothing was offered.
    #[default]
    Nothing,
    Intake(Box<Intake>),
    /// The offer was answered: chunks that are still on their way are dropped.
    Answered,
}

/// Whether there is more to do at once.
type IsBusy = bool;

impl Delivery {
    pub(crate) fn new(vm: &Vm, config: &Config) -> Delivery {
        let namespace = Namespace::of(config);
        Delivery {
            vm: vm.clone(),
            shared: Shared::new(&namespace),
            writer: Some(vm.writer(namespace.clone())),
            namespace,
            is_acting: false,
            seat: None,
            subscription: config.push.clone().map(Subscription::new),
            identity: None,
            told: None,
            answer: VmAnswer::Pending,
            shared_answer: VmAnswer::Pending,
            talk: Talk::default(),
            donor: None,
        }
    }

    /// Finds what other VMs left, and loads the bundle of the configuration. Requests wait for that only while nothing serves.
    pub(crate) fn start(&mut self, loader: &mut Loader<'_>, bundle: Option<&str>) {
        let work = match loader.held() {
            Some(_) => SLICE,
            None => usize::MAX,
        };
        self.follow(loader, work);
        if let Some(text) = bundle {
            match Config::decode_bundle(text) {
                // Loading says in metrics and log how it went.
                Some(file) => self.shared.begin_file(loader, &file, CONFIGURED),
                None => loader.report_refused("malformed", &"`bundle` is not base64", CONFIGURED),
            }
            self.follow(loader, work);
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, loader: &mut Loader<'_>, serves_requests: bool) {
        self.shared.tick();
        self.work(loader, serves_requests, true);
    }

    /// Somebody has put a message into the VM's queue: there is something new.
    pub(crate) fn wake(&mut self, loader: &mut Loader<'_>, serves_requests: bool) {
        if let Some(seat) = self.seat.clone()
            && let Ok(mut seat) = seat.try_borrow_mut()
        {
            seat.peers.slots().drain(loader.host);
        }
        self.work(loader, serves_requests, false);
    }

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

    /// The root context is done: what it had for the VM others may have.
    pub(crate) fn end(&mut self, loader: &Loader<'_>) {
        self.rest(loader);
        self.subscription = None;
        self.writer = None;
        let Some(seat) = self.seat.take() else {
            return;
        };
        let is_last = Rc::strong_count(&seat) == 1;
        if is_last && let Ok(mut seat) = seat.try_borrow_mut() {
            seat.peers.leave(loader.host);
        }
    }

    /// All that there is to do, a slice of it.
    fn work(&mut self, loader: &mut Loader<'_>, serves_requests: bool, is_tick: bool) {
        // What cannot be woken does all that there is to do in its tick.
        let work = match &self.seat {
            Some(_) => SLICE,
            None => usize::MAX,
        };
        let mut is_busy = self.step(loader);
        is_busy |= self.follow(loader, work);
        let Some(seat) = self.acting_seat(loader) else {
            self.rest(loader);
            return;
        };
        let Ok(mut seat) = seat.try_borrow_mut() else {
            return;
        };
        let own = self.own_report(loader, seat.vm, serves_requests);
        let role = self.take_turn(loader, &mut seat, &own);
        match role.epoch() {
            None => self.rest(loader),
            Some(epoch) => {
                self.wake_others(loader, &mut seat);
                if is_tick
                    && self
                        .subscription
                        .as_mut()
                        .is_some_and(|it| it.tick(loader, epoch))
                {
                    self.open(loader, &mut seat, role, own.clone());
                }
                self.report(loader, &mut seat, own);
            }
        }
        if is_busy {
            // Without a queue it goes on at the next tick.
            let _ = seat.peers.slots().wake_self(loader.host);
        }
    }

    /// Goes on with the bundle that the stream brings.
    fn step(&mut self, loader: &mut Loader<'_>) -> IsBusy {
        let Incoming::Intake(intake) = &mut self.talk.incoming else {
            return false;
        };
        let vm = self.vm.nonce(loader.host).unwrap_or_default();
        let mut work = SLICE;
        let mut notes = self.shared.notes(vm);
        match intake.load().step(loader, &mut notes, &mut work) {
            Step::Working => return true,
            Step::Starved | Step::Waiting | Step::Torn => return false,
            Step::Done(mark) => self.answer = VmAnswer::Ack(mark_id(mark)),
            Step::Rejected(rejection) => {
                let bundle = mark_id(intake.load().mark());
                self.answer = VmAnswer::Nack(nack(bundle, &rejection));
            }
        }
        self.talk.incoming = match intake.is_complete() {
            true => Incoming::Nothing,
            false => Incoming::Answered,
        };
        false
    }

    /// Goes on with what the VMs share.
    fn follow(&mut self, loader: &mut Loader<'_>, work: usize) -> IsBusy {
        let writes = self.writer.as_ref().is_some_and(Writer::writes);
        // Without random numbers a VM has no name to leave notes under, and shares all else as the others.
        let vm = self.vm.nonce(loader.host).unwrap_or_default();
        let progress = self.shared.advance(loader, vm, writes, work);
        let answer = match (self.shared.refusal(), self.shared.named()) {
            (Some((mark, rejection)), _) => VmAnswer::Nack(nack(mark_id(mark), rejection)),
            (None, Some(mark)) if loader.serving.mark() == Some(mark) => {
                VmAnswer::Ack(mark_id(mark))
            }
            (None, _) => VmAnswer::Pending,
        };
        if answer != VmAnswer::Pending && answer != self.shared_answer {
            self.shared_answer = answer.clone();
            self.answer = answer;
        }
        progress == Progress::Busy
    }

    /// The VM's seat, if this filter acts for the VM and there is a push service.
    fn acting_seat(&mut self, loader: &Loader<'_>) -> Option<Rc<RefCell<Seat>>> {
        let subscription = self.subscription.as_mut()?;
        let seat = match &self.seat {
            Some(seat) => seat,
            None => match self.vm.seat(loader.host, &self.namespace) {
                Ok(seat) => self.seat.insert(seat),
                Err(error) => {
                    subscription.cannot_open(loader, error);
                    return None;
                }
            },
        };
        let seat = Rc::clone(seat);
        let acts = self.writer.as_ref().is_some_and(Writer::writes);
        if acts && !self.is_acting {
            // The wake-ups of the VM come to this root context from now on.
            seat.try_borrow_mut()
                .ok()?
                .peers
                .slots()
                .listen(loader.host);
        }
        self.is_acting = acts;
        acts.then_some(seat)
    }

    fn take_turn(&mut self, loader: &Loader<'_>, seat: &mut Seat, own: &VmReport) -> Role {
        let turn = seat.peers.turn(loader.host, own);
        if let (Told::Now, Role::Follower { holder: Some(slot) }) = (turn.told, turn.role) {
            seat.peers.slots().wake(loader.host, slot);
        }
        if seat.note_full(turn.told == Told::Full) {
            loader.metrics.count(loader.host, Metric::SlotsFull);
            let ruleset = &loader.config.ruleset;
            let line = format!(
                "ruleset `{ruleset}`: {VMS_MAX} VMs of this proxy are known already; this one is not reported, and loads what \
                 the others have within a tick"
            );
            loader.host.log(Level::Warn, &line);
        }
        turn.role
    }

    /// Lets the others know of what has come into shared data by this VM.
    fn wake_others(&mut self, loader: &Loader<'_>, seat: &mut Seat) {
        let named = self.shared.named().map(mark_id);
        if named != self.told {
            self.told = named;
            seat.peers.wake_others(loader.host);
        }
    }

    fn own_report(&self, loader: &Loader<'_>, vm: [u8; 16], serves_requests: bool) -> VmReport {
        VmReport {
            vm: VmId(vm),
            serves_requests,
            held: loader.held().map(mark_id),
            answer: self.answer.clone(),
        }
    }

    /// There is no stream here: whoever keeps it begins with what the VMs share.
    fn rest(&mut self, loader: &Loader<'_>) {
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

    fn open(&mut self, loader: &Loader<'_>, seat: &mut Seat, role: Role, own: VmReport) {
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
        let mut sections: Vec<&WholeSection> = served.chain(donated).collect();
        // There is room for so many only, and what is not stated travels again.
        sections.sort_unstable_by_key(|section| (Reverse(section.bytes().len()), section.hash()));
        sections.dedup_by_key(|section| section.hash());
        Holdings {
            held: loader.held().map(mark_id),
            sections: sections
                .into_iter()
                .map(|section| SectionHash(*section.hash()))
                .collect(),
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
    fn report(&mut self, loader: &Loader<'_>, seat: &mut Seat, own: VmReport) {
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
        let donor = match std::mem::replace(&mut self.talk.incoming, Incoming::Answered) {
            Incoming::Intake(intake) => Some(intake.into_load()),
            Incoming::Nothing | Incoming::Answered => self.donor.take(),
        };
        self.answer = VmAnswer::Pending;
        match Intake::begin(loader, offer, donor)? {
            Judged::Good(intake) => self.talk.incoming = Incoming::Intake(Box::new(intake)),
            Judged::Bad(rejection) => self.answer = VmAnswer::Nack(nack(offer.bundle, &rejection)),
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
            Incoming::Nothing => Err(Violation::Unasked),
            Incoming::Answered => Ok(()),
            Incoming::Intake(intake) => {
                match intake.take(chunk)? {
                    Taken::Credit(taken) => {
                        self.send(loader, &SubscriberMessage::ChunkTaken(taken));
                    }
                    Taken::Bad(rejection) => {
                        loader.report_refused(rejection.code(), &rejection, ORIGIN);
                        let bundle = mark_id(intake.load().mark());
                        self.answer = VmAnswer::Nack(nack(bundle, &rejection));
                        self.talk.incoming = Incoming::Answered;
                    }
                }
                Ok(())
            }
        }
    }
}

fn nack(bundle: BundleId, rejection: &Rejection) -> Nack {
    Nack {
        bundle,
        reason: rejection.code().to_owned(),
        detail: rejection.to_string(),
        permanent: rejection.is_permanent(),
    }
}

pub(crate) fn mark_id(mark: Mark) -> BundleId {
    BundleId {
        revision: mark.revision,
        digest: Digest(mark.digest.0),
    }
}
