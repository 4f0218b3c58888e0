//! Several VMs of one module, as a proxy has one for each of its threads.

use crate::shared_data::SharedData;
use crate::vm::{Error, Module, Vm};

const NS_PER_MS: u64 = 1_000_000;

/// VMs that see the same shared data and the same clock. Time passes only when a test says so, and then every root context
/// ticks when its time has come, in a fixed order.
pub struct Process {
    threads: Vec<Thread>,
    shared_data: SharedData,
    now_ns: u64,
}

struct Thread {
    vm: Vm,
    /// When its root contexts tick next; never before they ask for it.
    next_tick_ns: Option<u64>,
}

impl Process {
    /// `count` VMs at a time, nanoseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// As [`Vm::new`].
    pub fn new(module: &Module, count: usize, now_ns: u64) -> Result<Process, Error> {
        let mut process = Process {
            threads: Vec::new(),
            shared_data: SharedData::default(),
            now_ns,
        };
        for number in 0..count {
            let thread = process.thread(module, number)?;
            process.threads.push(thread);
        }
        Ok(process)
    }

    /// A VM by its number; `None` if there are not so many.
    pub fn vm(&mut self, number: usize) -> Option<&mut Vm> {
        Some(&mut self.threads.get_mut(number)?.vm)
    }

    /// What all of them see.
    pub fn shared_data(&self) -> &SharedData {
        &self.shared_data
    }

    /// Wall clock, nanoseconds since the Unix epoch.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// A VM ends without a word, and a new one takes its place.
    ///
    /// # Errors
    ///
    /// As [`Vm::new`].
    pub fn restart(&mut self, module: &Module, number: usize) -> Result<(), Error> {
        let fresh = self.thread(module, number)?;
        if let Some(thread) = self.threads.get_mut(number) {
            *thread = fresh;
        }
        Ok(())
    }

    /// Lets time pass.
    ///
    /// # Errors
    ///
    /// When a VM traps in its tick.
    pub fn advance(&mut self, ms: u64) -> Result<(), Error> {
        let end_ns = self.now_ns.saturating_add(ms.saturating_mul(NS_PER_MS));
        for thread in &mut self.threads {
            thread.plan(self.now_ns);
        }
        while let Some((at_ns, number)) = self.next_tick().filter(|(at_ns, _)| *at_ns <= end_ns) {
            self.set_time(at_ns.max(self.now_ns));
            if let Some(thread) = self.threads.get_mut(number) {
                thread.next_tick_ns = None;
                thread.vm.tick_all()?;
                thread.plan(self.now_ns);
            }
        }
        self.set_time(end_ns);
        Ok(())
    }

    fn thread(&self, module: &Module, number: usize) -> Result<Thread, Error> {
        let mut vm = Vm::new(module)?;
        let proxy = vm.proxy_mut();
        proxy.shared_data = self.shared_data.clone();
        proxy.now_ns = self.now_ns;
        // No two VMs draw the same random numbers, and neither do one and that in its place.
        let generation = self.now_ns.wrapping_mul(31);
        proxy.random_state = generation.wrapping_add(u64::try_from(number).unwrap_or_default());
        Ok(Thread {
            vm,
            next_tick_ns: None,
        })
    }

    fn next_tick(&self) -> Option<(u64, usize)> {
        let planned = self.threads.iter().zip(0..);
        planned
            .filter_map(|(thread, number)| Some((thread.next_tick_ns?, number)))
            .min()
    }

    fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        for thread in &mut self.threads {
            thread.vm.proxy_mut().now_ns = now_ns;
        }
    }
}

impl Thread {
    /// Plans the next tick, unless one is planned.
    fn plan(&mut self, now_ns: u64) {
        let period_ms = self
            .vm
            .proxy()
            .tick_period_ms
            .filter(|period_ms| *period_ms > 0);
        if let (None, Some(period_ms)) = (self.next_tick_ns, period_ms) {
            self.next_tick_ns = Some(now_ns.saturating_add(u64::from(period_ms) * NS_PER_MS));
        }
    }
}
