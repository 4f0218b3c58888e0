//! How bundles come to one filter, and how its VM's answer goes back.
//!
//! The VM that holds the lease takes them from the push service's stream and leaves them in shared data; all VMs load them from
//! there, each for itself, and write what became of it into their slots, which the holder reports.

mod talk;

use crate::config::Config;
use crate::host::Level;
use crate::identity::Identity;
use crate::load::Loader;
use crate::metrics::Metric;
use crate::namespace::Namespace;
use crate::peers::{Role, Told};
use crate::rejection::Rejection;
use crate::seat::Seat;
use crate::shared::{Load, Progress, SLICE, Shared};
use crate::subscription::Subscription;
use crate::vm::{Vm, Writer};
use riskgate_engine::admission::Mark;
use riskgate_push_protocol::limits::VMS_MAX;
use riskgate_push_protocol::{BundleId, Digest, Nack, VmAnswer, VmId, VmReport};
use std::cell::RefCell;
use std::rc::Rc;
use talk::Talk;

pub(crate) use talk::ORIGIN;

/// How the log calls the bundle of the configuration.
const CONFIGURED: &str = "from the plugin configuration";

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
    /// The bundles of shared data that the others were woken for: the one that serves, and the one that comes next.
    told: [Option<BundleId>; 2],
    /// What became of the last bundle that this VM was given.
    answer: VmAnswer,
    /// What was made of the head of shared data when that was looked at last.
    shared_answer: VmAnswer,
    talk: Talk,
    /// What has come of a bundle whose transfer broke.
    donor: Option<Load>,
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
            told: [None; 2],
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
        let vm = self.vm.nonce(loader.host).unwrap_or_default();
        self.shared.tick(loader.host, vm);
        self.talk_tick();
        loader.note_time();
        self.work(loader, serves_requests, true);
    }

    /// Somebody has put a message into the VM's queue: there is something new.
    pub(crate) fn wake(&mut self, loader: &mut Loader<'_>, serves_requests: bool) {
        if let Some(seat) = self.seat.clone()
            && let Ok(mut seat) = seat.try_borrow_mut()
        {
            seat.peers.slots().drain(loader.host);
        }
        self.shared.wake();
        self.work(loader, serves_requests, false);
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
        self.drop_overtaken(loader);
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

    /// Goes on with what the VMs share.
    fn follow(&mut self, loader: &mut Loader<'_>, work: usize) -> IsBusy {
        let writes = self.writer.as_ref().is_some_and(Writer::writes);
        // Without random numbers a VM has no name to leave notes under, and shares all else as the others.
        let vm = self.vm.nonce(loader.host).unwrap_or_default();
        let progress = self.shared.advance(loader, vm, writes, work);
        let serves = loader.serving.mark();
        let answer = match (self.shared.refusal(), self.shared.named()) {
            (Some((mark, why)), _) if why.is_permanent() || serves != Some(mark) => {
                VmAnswer::Nack(nack(mark_id(mark), why))
            }
            (_, Some(mark)) if serves == Some(mark) => VmAnswer::Ack(mark_id(mark)),
            (_, _) => VmAnswer::Pending,
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
        let there = [self.shared.named(), self.shared.staged()].map(|mark| mark.map(mark_id));
        if there != self.told {
            self.told = there;
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
