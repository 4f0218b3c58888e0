//! Several VMs, as a proxy has one of each plugin for each of its threads.

use crate::module::Module;
use crate::proxy::Proxy;
use crate::shared_data::SharedData;
use crate::shared_queue::{QueueEvent, SharedQueues};
use crate::vm::{Error, Vm};
use std::collections::BTreeMap;

const NS_PER_MS: u64 = 1_000_000;
/// More wake-ups than this without any time passing: two VMs wake each other for ever.
const EVENTS_AT_ONCE: usize = 1 << 20;

/// VMs that see the same shared data, the same shared queues and the same clocks. Time passes only when a test says so, and
/// then every root context ticks when its time has come, in a fixed order.
pub struct Process {
    vms: Vec<Vm>,
    shared_data: BTreeMap<String, SharedData>,
    shared_queues: SharedQueues,
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
        let mut process = Process {
            vms: Vec::new(),
            shared_data: BTreeMap::new(),
            shared_queues: SharedQueues::default(),
            now_ns,
            monotonic_ns: 3_600_000 * NS_PER_MS,
        };
        for _ in 0..count {
            process.add(module, "")?;
        }
        Ok(process)
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
        Ok(number)
    }

    /// A VM by its number; `None` if there are not so many.
    pub fn vm(&mut self, number: usize) -> Option<&mut Vm> {
        self.vms.get_mut(number)
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

    /// A VM ends without a word, and a new one without contexts takes its place: what comes for the old one comes to it.
    ///
    /// # Errors
    ///
    /// As [`Vm::new`].
    pub fn restart(&mut self, module: &Module, number: usize) -> Result<(), Error> {
        if let Some(old) = self.vms.get(number) {
            let vm_id = old.proxy().vm_id.clone();
            let fresh = self.fresh(module, number, &vm_id)?;
            if let Some(vm) = self.vms.get_mut(number) {
                *vm = fresh;
            }
        }
        Ok(())
    }

    /// Tells VMs of their queues until nobody has news: in the order in which the messages came, and without any time passing.
    /// A VM that trapped, and one without that root context, hears nothing.
    ///
    /// # Errors
    ///
    /// The first trap. The other VMs are told all the same.
    pub fn deliver(&mut self) -> Result<(), Error> {
        let mut first_trap = Ok(());
        for _ in 0..EVENTS_AT_ONCE {
            let Some(event) = self.shared_queues.next_event() else {
                break;
            };
            let told = self.tell(event);
            first_trap = first_trap.and(told);
        }
        first_trap
    }

    /// Lets time pass, on both clocks: root contexts tick, and VMs are told of their queues as soon as something is in them.
    ///
    /// # Errors
    ///
    /// The first trap. Time passes for the other VMs all the same.
    pub fn advance(&mut self, ms: u64) -> Result<(), Error> {
        let end_ns = self
            .monotonic_ns
            .saturating_add(ms.saturating_mul(NS_PER_MS));
        let mut first_trap = self.deliver();
        while let Some((due_ns, number, root)) = self.next_tick().filter(|next| next.0 <= end_ns) {
            self.pass_until(due_ns);
            let ticked = self.tick(number, root);
            first_trap = first_trap.and(ticked);
            let delivered = self.deliver();
            first_trap = first_trap.and(delivered);
        }
        self.pass_until(end_ns);
        first_trap
    }

    fn fresh(&mut self, module: &Module, number: usize, vm_id: &str) -> Result<Vm, Error> {
        let shared_data = self.shared_data.entry(vm_id.to_owned()).or_default();
        // No two VMs draw the same random numbers, and neither do one and that in its place.
        let generation = self.monotonic_ns.wrapping_add(self.now_ns).wrapping_mul(31);
        let proxy = Proxy {
            now_ns: self.now_ns,
            monotonic_ns: self.monotonic_ns,
            shared_data: shared_data.clone(),
            shared_queues: self.shared_queues.clone(),
            vm_id: vm_id.to_owned(),
            number,
            random_state: generation.wrapping_add(u64::try_from(number).unwrap_or_default()),
            ..Proxy::default()
        };
        Vm::with_proxy(module, proxy)
    }

    fn tell(&mut self, event: QueueEvent) -> Result<(), Error> {
        let vm = self.vms.get_mut(event.vm).filter(|vm| !vm.is_dead());
        match vm {
            Some(vm) if vm.proxy().contexts.exists(event.context_id) => {
                vm.queue_ready(event.context_id, event.token)
            }
            _ => Ok(()),
        }
    }

    fn tick(&mut self, number: usize, root: u32) -> Result<(), Error> {
        let now_ns = self.monotonic_ns;
        let Some(vm) = self.vms.get_mut(number) else {
            return Ok(());
        };
        let ticked = vm.tick(root);
        vm.proxy_mut().timers.ticked(root, now_ns);
        ticked
    }

    /// When which root context of which VM ticks next.
    fn next_tick(&self) -> Option<(u64, usize, u32)> {
        let alive = self.vms.iter().zip(0..).filter(|(vm, _)| !vm.is_dead());
        let ticks = alive.filter_map(|(vm, number)| {
            let (due_ns, root) = vm.proxy().timers.next()?;
            Some((due_ns, number, root))
        });
        ticks.min()
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
