//! The counts of one VM, and how the VMs of a proxy come to count together.
//!
//! Every worker of a proxy has a VM of its own, and all VMs see the proxy's shared data. A VM counts in tables of its own and,
//! at each tick, exchanges what has changed: of each such block it takes in what is shared, adds what it counted since,
//! and writes that back if nobody else wrote in between. So each block in shared data holds the counts of all VMs, also of
//! those that are gone. A request waits for none of this: it reads and counts in the VM's own memory.
//!
//! docs/counters.md says what follows from it.

mod areas;
mod exchange;
mod index;
mod sharing;

use crate::config::Config;
use crate::host::{Host, HostError, Level};
use crate::metrics::{Metric, Metrics};
use exchange::Exchange;
use riskgate_engine::counters::{CounterDefinition, CounterIndex, CounterStore, Table};
use sharing::Sharing;

/// In the names of all that is shared; another layout has another number.
const PREFIX: &str = "riskgate.counters.v1";
/// What a neighbour may have put in the place of the hash key is read and replaced up to this length, in bytes.
const HASH_KEY_READ_MAX: usize = 1 << 20;
/// After so many ticks a VM looks whether the hash key is still the proxy's.
const TICKS_OF_KEY: u32 = 50;
/// A VM that has had its hash key for fewer ticks takes over another that it finds. One that has had it for longer puts
/// it back: what it has counted would be lost with it.
const TICKS_OF_YOUTH: u32 = 600;

/// What the rulesets that serve one after the other have counted.
#[derive(Default)]
pub(crate) struct NodeCounters {
    hash_key: HashKey,
    /// Since this VM has that key.
    ticks_of_key: u32,
    /// By the index of the counter in the ruleset that serves.
    counters: Vec<Counter>,
    /// Which counter is the first one to be exchanged.
    turn: usize,
    buffers: exchange::Buffers,
}

struct Counter {
    table: Table,
    sharing: Sharing,
}

/// What keys are hashed with.
#[derive(Default)]
enum HashKey {
    #[default]
    Unknown,
    /// All VMs have the same, and so the same hashes.
    OfNode([u8; 32]),
    /// This VM counts alone.
    OfVm([u8; 32]),
}

/// What a callback lends to the exchange.
pub(crate) struct Surroundings<'s> {
    pub(crate) host: &'s dyn Host,
    pub(crate) metrics: &'s Metrics,
    /// Filters that serve the same ruleset to the same audience count together.
    pub(crate) config: &'s Config,
    pub(crate) time_us: i64,
}

impl NodeCounters {
    /// Counts for a ruleset with these counters from now on, and goes on with what was counted where a definition is the
    /// same as before.
    pub(crate) fn adopt(
        &mut self,
        definitions: &[CounterDefinition],
        host: &dyn Host,
        metrics: &Metrics,
    ) {
        let held = self
            .counters
            .iter()
            .map(|counter| counter.table.definition());
        if held.eq(definitions) {
            return;
        }
        if !definitions.is_empty() {
            self.establish_hash_key(host, metrics);
        }
        let is_shared = self.is_shared();
        let mut held = std::mem::take(&mut self.counters);
        let counters = definitions.iter().map(|definition| {
            let same = held
                .iter()
                .position(|counter| counter.table.definition() == definition);
            same.map_or_else(
                || Counter::new(definition, is_shared),
                |place| held.swap_remove(place),
            )
        });
        self.counters = counters.collect();
    }

    /// Whether the ruleset that serves has no counters.
    pub(crate) fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Exchanges with the other VMs, a bounded amount of work.
    pub(crate) fn tick(&mut self, around: &Surroundings<'_>) {
        for counter in &mut self.counters {
            let losses = counter.table.take_losses();
            around
                .metrics
                .add(around.host, Metric::CountersEvicted, losses.evicted);
            around
                .metrics
                .add(around.host, Metric::CountersUntold, losses.untold);
        }
        if !self.is_shared() || self.is_empty() {
            return;
        }
        if self.keep_hash_key(around.host) != Ok(true) {
            around.metrics.count(around.host, Metric::CountersFailures);
        }
        let mut exchange = Exchange::new(around, &mut self.buffers);
        let count = self.counters.len();
        self.turn = (self.turn + 1) % count;
        let (before, first) = self.counters.split_at_mut(self.turn);
        for counter in first.iter_mut().chain(before) {
            // Keys that flood one counter must not hold up the others.
            exchange.allow_one_of(count);
            exchange.counter(counter);
        }
    }

    /// Exchanges blocks in which much has been counted since the last tick, at most one of each counter: that is more than
    /// a request can add.
    pub(crate) fn exchange_urgent(&mut self, around: &Surroundings<'_>) {
        for counter in &mut self.counters {
            if let Some(block) = counter.table.take_urgent() {
                Exchange::new(around, &mut self.buffers).one_block(counter, block);
            }
        }
    }

    fn is_shared(&self) -> bool {
        matches!(self.hash_key, HashKey::OfNode(_))
    }

    fn establish_hash_key(&mut self, host: &dyn Host, metrics: &Metrics) {
        if !matches!(self.hash_key, HashKey::Unknown) {
            return;
        }
        let mut own = [0; 32];
        let random = host.random(&mut own);
        self.hash_key = match random.and_then(|()| hash_key_of_node(host, &own)) {
            Ok(key) => HashKey::OfNode(key),
            Err(error) => {
                metrics.count(host, Metric::CountersFailures);
                let line = format!(
                    "this VM counts alone, the proxy's others have no part in its counters: {error}"
                );
                host.log(Level::Error, &line);
                HashKey::OfVm(own)
            }
        };
    }
}

impl NodeCounters {
    /// Looks now and then whether all VMs still hash with the same key: others can write what is shared. False if they did not, which
    /// was mended then, by the others' next look at the latest.
    fn keep_hash_key(&mut self, host: &dyn Host) -> Result<bool, HostError> {
        let HashKey::OfNode(own) = self.hash_key else {
            return Ok(true);
        };
        self.ticks_of_key = self.ticks_of_key.saturating_add(1);
        if !self.ticks_of_key.is_multiple_of(TICKS_OF_KEY) {
            return Ok(true);
        }
        let name = hash_key_name();
        let mut held = Vec::new();
        let Some(version) = host.shared_data_version(&name, HASH_KEY_READ_MAX, &mut held)? else {
            host.create_shared_data(&name, &own)?;
            return Ok(false);
        };
        if held == own {
            return Ok(true);
        }
        match <[u8; 32]>::try_from(held) {
            Ok(other) if self.ticks_of_key < TICKS_OF_YOUTH => {
                self.hash_key = HashKey::OfNode(other);
                self.ticks_of_key = 0;
            }
            _ => {
                host.replace_shared_data(&name, &own, version)?;
            }
        }
        Ok(false)
    }
}

impl CounterStore for NodeCounters {
    fn count(&mut self, counter: CounterIndex, key: u64, slice: u64, value: Option<u64>) {
        if let Some(counter) = self.counters.get_mut(counter as usize) {
            counter.table.count(key, slice, value);
        }
    }

    fn read(&mut self, counter: CounterIndex, key: u64, slice: u64) -> u64 {
        let counter = self.counters.get_mut(counter as usize);
        counter.map_or(0, |counter| counter.table.read(key, slice))
    }

    fn hash_key(&self) -> &[u8; 32] {
        match &self.hash_key {
            HashKey::Unknown => &[0; 32],
            HashKey::OfNode(key) | HashKey::OfVm(key) => key,
        }
    }
}

impl Counter {
    fn new(definition: &CounterDefinition, is_shared: bool) -> Counter {
        let table = Table::new(definition, is_shared);
        Counter {
            sharing: Sharing::new(table.block_count()),
            table,
        }
    }
}

/// The key that the first VM of the proxy wrote, which is `own` if this one is that. What is no key, which a neighbour wrote,
/// is replaced by `own`; if others do so at the same time, the next look at the key finds theirs.
fn hash_key_of_node(host: &dyn Host, own: &[u8; 32]) -> Result<[u8; 32], HostError> {
    let name = hash_key_name();
    if host.create_shared_data(&name, own)? {
        return Ok(*own);
    }
    let mut held = Vec::new();
    let version = host.shared_data_version(&name, HASH_KEY_READ_MAX, &mut held)?;
    if let Ok(key) = held.try_into() {
        return Ok(key);
    }
    if let Some(version) = version {
        host.replace_shared_data(&name, own, version)?;
    }
    Ok(*own)
}

fn hash_key_name() -> String {
    format!("{PREFIX}/key")
}
