//! What happens in a process, and in which order.

use crate::callout::HttpResponse;
use crate::process::Process;
use crate::random::Random;
use crate::service::{CallId, GrpcReply};
use crate::shared_queue::QueueEvent;
use crate::vm::Error;

/// How far from order things happen. A thread's own queue keeps its order whatever the seed is, as in a real proxy; which
/// thread is next, and whether a timer goes before a message, is chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disorder {
    /// The same seed is the same order.
    pub seed: u64,
    /// Of a hundred wake-ups of queues so many never come; the messages stay.
    pub lost_percent: u8,
    /// Of a hundred wake-ups so many come twice.
    pub doubled_percent: u8,
}

/// What is to happen.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pending: Vec<Pending>,
    last_number: u64,
    disorder: Option<(Random, Disorder)>,
}

/// What comes for a call, and when.
#[derive(Debug)]
pub(crate) struct Pending {
    due_ns: u64,
    number: u64,
    pub(crate) id: CallId,
    pub(crate) coming: Coming,
}

/// What comes for a call.
#[derive(Debug)]
pub(crate) enum Coming {
    Grpc(GrpcReply),
    Http(Option<HttpResponse>),
}

/// One VM's next event of a kind. The order of these is the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// The place among the events of queues.
    Queue(usize),
    /// When, the number, and the place among what is pending.
    Reply(u64, u64, usize),
    /// When, and the root context.
    Tick(u64, usize, u32),
}

impl Events {
    pub(crate) fn set_disorder(&mut self, disorder: Disorder) {
        self.disorder = Some((Random::new(disorder.seed), disorder));
    }

    pub(crate) fn add_grpc(&mut self, due_ns: u64, id: CallId, reply: GrpcReply) {
        self.add(due_ns, id, Coming::Grpc(reply));
    }

    pub(crate) fn add_http(&mut self, due_ns: u64, id: CallId, response: Option<HttpResponse>) {
        self.add(due_ns, id, Coming::Http(response));
    }

    fn add(&mut self, due_ns: u64, id: CallId, coming: Coming) {
        self.last_number += 1;
        let number = self.last_number;
        self.pending.push(Pending {
            due_ns,
            number,
            id,
            coming,
        });
    }

    fn choose(&mut self, mut ready: Vec<(Next, usize)>) -> Option<(Next, usize)> {
        match &mut self.disorder {
            Some((random, _)) if !ready.is_empty() => {
                let place = random.below(ready.len());
                Some(ready.swap_remove(place))
            }
            _ => ready.into_iter().min(),
        }
    }

    /// How often a wake-up comes.
    fn times(&mut self) -> usize {
        let Some((random, disorder)) = &mut self.disorder else {
            return 1;
        };
        if random.percent(disorder.lost_percent) {
            0
        } else if random.percent(disorder.doubled_percent) {
            2
        } else {
            1
        }
    }
}

impl Process {
    /// Lets the next thing happen that is due; `None` if nothing is.
    pub(crate) fn step(&mut self) -> Option<Result<(), Error>> {
        self.answer_vms();
        let ready = self.ready();
        let (next, number) = self.events.choose(ready)?;
        Some(match next {
            Next::Queue(place) => self.wake(place),
            Next::Reply(_, _, place) => {
                let pending = self.events.pending.swap_remove(place);
                self.reply(pending)
            }
            Next::Tick(_, _, root) => self.tick(number, root),
        })
    }

    /// When something is due next.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        let goes_on = |number: usize| !self.stalled.contains(&number);
        let numbered = self.vms.iter().enumerate();
        let alive = numbered.filter(|(number, vm)| goes_on(*number) && !vm.is_dead());
        let ticks = alive.filter_map(|(_, vm)| Some(vm.proxy().timers.next()?.0));
        let pending = self.events.pending.iter();
        let replies = pending.filter(|pending| goes_on(pending.id.vm));
        ticks.chain(replies.map(|pending| pending.due_ns)).min()
    }

    /// What is due, of each VM the first of each kind.
    fn ready(&self) -> Vec<(Next, usize)> {
        let now_ns = self.monotonic_ns();
        let mut ready = Vec::new();
        let numbered = self.vms.iter().enumerate();
        for (number, vm) in numbered.filter(|(number, _)| !self.stalled.contains(number)) {
            let queue = self.shared_queues.next_of(number).map(Next::Queue);
            let pending = self.events.pending.iter().enumerate();
            let replies = pending
                .filter(|(_, pending)| pending.id.vm == number && pending.due_ns <= now_ns)
                .map(|(place, pending)| Next::Reply(pending.due_ns, pending.number, place));
            let timer = vm.proxy().timers.next().filter(|_| !vm.is_dead());
            let tick = timer
                .filter(|(due_ns, _)| *due_ns <= now_ns)
                .map(|(due_ns, root)| Next::Tick(due_ns, number, root));
            let first = [queue, replies.min(), tick].into_iter().flatten();
            ready.extend(first.map(|next| (next, number)));
        }
        ready
    }

    /// Tells a VM of a queue, if it lives and has that root context.
    fn wake(&mut self, place: usize) -> Result<(), Error> {
        let Some(QueueEvent {
            vm,
            context_id,
            token,
        }) = self.shared_queues.take_event(place)
        else {
            return Ok(());
        };
        let times = self.events.times();
        let Some(vm) = self.vms.get_mut(vm).filter(|vm| !vm.is_dead()) else {
            return Ok(());
        };
        if vm.proxy().contexts.exists(context_id) {
            for _ in 0..times {
                vm.queue_ready(context_id, token)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, number: usize, root: u32) -> Result<(), Error> {
        let now_ns = self.monotonic_ns();
        let Some(vm) = self.vms.get_mut(number) else {
            return Ok(());
        };
        let ticked = vm.tick(root);
        vm.proxy_mut().timers.ticked(root, now_ns);
        ticked
    }
}
