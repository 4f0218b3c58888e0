//! Several VMs, as a proxy has one of each plugin for each of its threads.

use crate::callout::HttpCall;
use crate::events::{Disorder, Events};
use crate::fault::Fault;
use crate::module::Module;
use crate::proxy::Proxy;
use crate::random::Random;
use crate::service::{CallId, GrpcReply, GrpcService, HttpReply, Services};
use crate::shared_data::SharedData;
use crate::shared_queue::SharedQueues;
use crate::vm::{Error, Vm};
use crate::watch::{HostCall, Watcher};
use std::collections::{BTreeMap, BTreeSet};

const NS_PER_MS: u64 = 1_000_000;
/// More than this without any time passing, and it never ends.
const EVENTS_AT_ONCE: usize = 1_000_000;

/// VMs that see the same shared data, the same shared queues and the same clocks. Time passes only when a test says so. Then
/// root contexts tick, VMs are told of their queues, and services answer, in an order that is always the same.
pub struct Process {
    pub(crate) vms: Vec<Vm>,
    /// How many VMs stood in each place before.
    pub(crate) generations: Vec<u64>,
    shared_data: BTreeMap<String, SharedData>,
    pub(crate) shared_queues: SharedQueues,
    pub(crate) services: Services,
    pub(crate) events: Events,
    clusters: BTreeSet<Vec<u8>>,
    /// Numbers of VMs of which nothing happens.
    pub(crate) stalled: BTreeSet<usize>,
    watcher: Option<Watcher>,
    now_ns: u64,
    monotonic_ns: u64,
}

impl Process {
    /// `count` VMs with an empty `vm_id` at a time, nanoseconds since the Unix epoch. The monotonic clock begins at an hour.
    ///
    /// # Errors
    ///
    /// As [`Vm::new`].
    pub fn new(module: &Module, count: usize, now_ns: u64) -> Result<Process, Error> {
        let mut process = Process::empty(now_ns);
        for _ in 0..count {
            process.add(module, "")?;
        }
        Ok(process)
    }

    /// The same, without any VM yet.
    pub fn empty(now_ns: u64) -> Process {
        Process {
            vms: Vec::new(),
            generations: Vec::new(),
            shared_data: BTreeMap::new(),
            shared_queues: SharedQueues::default(),
            services: Services::default(),
            events: Events::default(),
            clusters: BTreeSet::new(),
            stalled: BTreeSet::new(),
            watcher: None,
            now_ns,
            monotonic_ns: 3_600_000 * NS_PER_MS,
        }
    }

    /// One more VM, of this module or another, and its number. Those of one `vm_id` share their data.
    ///
    /// # Errors
    ///
    /// As [`Vm::new`].
    pub fn add(&mut self, module: &Module, vm_id: &str) -> Result<usize, Error> {
        let number = self.vms.len();
        let vm = self.fresh(module, number, vm_id)?;
        self.vms.push(vm);
        self.generations.push(0);
        Ok(number)
    }

    /// A VM by its number; `None` if there are not so many.
    pub fn vm(&mut self, number: usize) -> Option<&mut Vm> {
        self.vms.get_mut(number)
    }

    /// How many VMs there are, dead ones included.
    pub fn len(&self) -> usize {
        self.vms.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.vms.is_empty()
    }

    /// What the VMs with an empty `vm_id` share.
    pub fn shared_data(&self) -> SharedData {
        self.shared_data_of("")
    }

    /// What the VMs of a `vm_id` share.
    pub fn shared_data_of(&self, vm_id: &str) -> SharedData {
        self.shared_data.get(vm_id).cloned().unwrap_or_default()
    }

    /// The queues of all `vm_id`s.
    pub fn shared_queues(&self) -> &SharedQueues {
        &self.shared_queues
    }

    /// The value of a metric: of a counter the sum over all VMs that there are, and of another metric that of the last VM that
    /// has it. `None` if no VM defined it.
    pub fn metric(&self, name: &str) -> Option<i64> {
        use crate::metric::MetricKind;
        let all = self.vms.iter().flat_map(|vm| &vm.proxy().metrics);
        all.filter(|metric| metric.name == name)
            .fold(None, |sum, metric| match (sum, metric.kind) {
                (Some(sum), MetricKind::Counter) => Some(sum + metric.value),
                _ => Some(metric.value),
            })
    }

    /// Wall clock, nanoseconds since the Unix epoch.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Monotonic clock, nanoseconds.
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns
    }

    /// The wall clock jumps, forth or back. No time passes.
    pub fn set_wall_clock(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        self.set_clocks();
    }

    /// What happens at one time happens in another order, and wake-ups go astray. By default all is in order.
    pub fn set_disorder(&mut self, disorder: Disorder) {
        self.events.set_disorder(disorder);
    }

    /// Has `watch` look at each call of each VM, also of those that come later, and say what is to happen in its place. The
    /// watchers before this one see nothing any more.
    pub fn on_call(&mut self, watch: impl FnMut(&HostCall<'_>) -> Option<Fault> + Send + 'static) {
        let watcher = Watcher::new(watch);
        for vm in &mut self.vms {
            vm.proxy_mut().watcher = Some(watcher.clone());
        }
        self.watcher = Some(watcher);
    }

    /// A thread hangs, or goes on: meanwhile its VM neither ticks nor is told anything, and what comes for it waits. Callbacks
    /// that a test makes itself are made all the same.
    pub fn set_stalled(&mut self, number: usize, is_stalled: bool) {
        match is_stalled {
            true => self.stalled.insert(number),
            false => self.stalled.remove(&number),
        };
    }

    /// A cluster that VMs may name as upstream.
    pub fn add_cluster(&mut self, name: &[u8]) {
        self.clusters.insert(name.to_vec());
        for vm in &mut self.vms {
            vm.proxy_mut().clusters.insert(name.to_vec());
        }
    }

    /// A gRPC service, by its full name; to look into it later, give a clone of an `Rc<RefCell<_>>`. From the first one on, a
    /// stream to a service that is not there is closed with `UNIMPLEMENTED`.
    pub fn add_grpc_service(&mut self, name: &str, service: impl GrpcService + 'static) {
        self.services.add_grpc(name, Box::new(service));
    }

    /// An HTTP service behind a cluster. From the first one on, a call of a cluster without one gets 503.
    pub fn add_http_service(
        &mut self,
        cluster: &[u8],
        service: impl FnMut(&HttpCall) -> HttpReply + 'static,
    ) {
        self.add_cluster(cluster);
        self.services.add_http(cluster, Box::new(service));
    }

    /// Something comes on a stream, from a service or from nowhere.
    pub fn reply_after(&mut self, ms: u64, to: CallId, reply: GrpcReply) {
        let due_ns = self.after(ms);
        self.events.add_grpc(due_ns, to, reply);
    }

    /// A VM ends without a word, and a new one without contexts takes its place: what comes for the old one's queues comes to
    /// it, and the old one's streams are reset.
    ///
    /// # Errors
    ///
    /// As [`Vm::new`].
    pub fn restart(&mut self, module: &Module, number: usize) -> Result<(), Error> {
        let Some(old) = self.vms.get(number) else {
            return Ok(());
        };
        let vm_id = old.proxy().vm_id.clone();
        let fresh = self.fresh(module, number, &vm_id)?;
        self.answer_vms();
        self.reset(number);
        if let (Some(vm), Some(generation)) =
            (self.vms.get_mut(number), self.generations.get_mut(number))
        {
            *vm = fresh;
            *generation += 1;
        }
        Ok(())
    }

    /// Lets all happen that is due, without any time passing, until nothing is. A VM that trapped hears nothing.
    ///
    /// # Errors
    ///
    /// The first trap: the other VMs go on all the same. [`Error::Endless`] where it never ends.
    pub fn deliver(&mut self) -> Result<(), Error> {
        let mut first_trap = Ok(());
        for _ in 0..EVENTS_AT_ONCE {
            match self.step() {
                None => return first_trap,
                Some(happened) => first_trap = first_trap.and(happened),
            }
        }
        Err(Error::Endless)
    }

    /// Lets time pass, on both clocks, and lets all happen at its time.
    ///
    /// # Errors
    ///
    /// As [`Process::deliver`].
    pub fn advance(&mut self, ms: u64) -> Result<(), Error> {
        let end_ns = self.after(ms);
        let mut first_trap = self.deliver();
        while let Some(due_ns) = self.next_due_ns().filter(|due_ns| *due_ns <= end_ns) {
            self.pass_until(due_ns);
            let delivered = self.deliver();
            first_trap = first_trap.and(delivered);
            if matches!(first_trap, Err(Error::Endless)) {
                return first_trap;
            }
        }
        self.pass_until(end_ns);
        first_trap
    }

    pub(crate) fn after(&self, ms: u64) -> u64 {
        self.monotonic_ns
            .saturating_add(ms.saturating_mul(NS_PER_MS))
    }

    pub(crate) fn fresh(
        &mut self,
        module: &Module,
        number: usize,
        vm_id: &str,
    ) -> Result<Vm, Error> {
        let shared_data = self.shared_data.entry(vm_id.to_owned()).or_default();
        // No two VMs draw the same random numbers, and neither do one and that in its place.
        let generation = self.generations.get(number).map_or(0, |before| before + 1);
        let place = u64::try_from(number).unwrap_or_default();
        let seed = (self.now_ns ^ self.monotonic_ns.rotate_left(17))
            .wrapping_mul(31)
            .wrapping_add(generation << 32)
            .wrapping_add(place);
        let proxy = Proxy {
            now_ns: self.now_ns,
            monotonic_ns: self.monotonic_ns,
            shared_data: shared_data.clone(),
            shared_queues: self.shared_queues.clone(),
            clusters: self.clusters.clone(),
            vm_id: vm_id.to_owned(),
            number,
            random: Random::new(seed),
            watcher: self.watcher.clone(),
            ..Proxy::default()
        };
        Vm::with_proxy(module, proxy)
    }

    fn pass_until(&mut self, monotonic_ns: u64) {
        let passed_ns = monotonic_ns.saturating_sub(self.monotonic_ns);
        self.monotonic_ns += passed_ns;
        self.now_ns = self.now_ns.saturating_add(passed_ns);
        self.set_clocks();
    }

    fn set_clocks(&mut self) {
        for vm in &mut self.vms {
            let proxy = vm.proxy_mut();
            proxy.now_ns = self.now_ns;
            proxy.monotonic_ns = self.monotonic_ns;
        }
    }
}
