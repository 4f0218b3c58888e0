//! What the proxy holds: everything that a test sets, and everything that the VM did.

use crate::contexts::Contexts;
use crate::fault::{Fault, Faults};
use crate::http_stream::{Headers, HttpStream};
use crate::shared_data::SharedData;
use crate::shared_queue::SharedQueues;
use crate::timers::Timers;
use std::collections::BTreeMap;

/// A proxy that remembers, as one VM sees it.
#[derive(Debug, Default)]
pub struct Proxy {
    /// Wall clock, nanoseconds since the Unix epoch. It may jump.
    pub now_ns: u64,
    /// Monotonic clock, nanoseconds since any time. It never goes back.
    pub monotonic_ns: u64,
    /// What every context sees, by path, its parts joined with zero bytes.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// By context, until another context of that id is made.
    pub http_streams: BTreeMap<u32, HttpStream>,
    /// What the VMs of a `vm_id` share; a VM that is alone shares it with nobody.
    pub shared_data: SharedData,
    /// What the VMs of a process share.
    pub shared_queues: SharedQueues,
    /// By id, from 1.
    pub metrics: Vec<Metric>,
    /// In the order they were opened.
    pub grpc_streams: Vec<GrpcStream>,
    /// Level and line, oldest first.
    pub log: Vec<(u32, String)>,
    /// The name of every call that the VM made, oldest first.
    pub calls: Vec<String>,
    /// What each callback returned that [`Fault::Callback`] brought about, 0 if it returns nothing; `None` if it trapped.
    pub callback_results: Vec<Option<u32>>,
    /// What `proxy_on_vm_start` reads.
    pub vm_configuration: Vec<u8>,
    pub(crate) vm_id: String,
    /// The number of the VM in its process.
    pub(crate) number: usize,
    pub(crate) contexts: Contexts,
    pub(crate) timers: Timers,
    pub(crate) incoming: Incoming,
    /// The VM answered the exchange, so that nothing of it goes on after this callback.
    pub(crate) stop_iteration: bool,
    pub(crate) random_state: u64,
    pub(crate) faults: Faults,
}

/// What came for the callback that runs.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) plugin_configuration: Option<Vec<u8>>,
    pub(crate) grpc_message: Vec<u8>,
    pub(crate) grpc_initial_metadata: Headers,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i64,
}

/// A gRPC stream that the VM opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct GrpcStream {
    /// What the VM calls it by. As in Envoy, each root context counts for itself: 2, 4, 6, …
    pub token: u32,
    /// The root context that opened it, and gets its callbacks.
    pub context_id: u32,
    /// What the VM named as upstream.
    pub upstream: Vec<u8>,
    /// Service and method.
    pub method: (String, String),
    /// The metadata that the stream began with.
    pub initial_metadata: Headers,
    /// What the VM sent.
    pub sent: Vec<Vec<u8>>,
    /// Whether the VM cancelled it.
    pub cancelled: bool,
}

impl Proxy {
    /// Lets every use of a call go wrong.
    pub fn inject(&mut self, call: &str, fault: Fault) {
        self.faults.inject(call, 0, fault);
    }

    /// Lets a call work `good` times, and then always go wrong.
    pub fn inject_after(&mut self, call: &str, good: u32, fault: Fault) {
        self.faults.inject(call, good, fault);
    }

    /// Lets a call work again.
    pub fn heal(&mut self, call: &str) {
        self.faults.heal(call);
    }

    /// The value of a metric; `None` if the VM never defined it.
    pub fn metric(&self, name: &str) -> Option<i64> {
        self.metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.value)
    }

    /// The period in which a root context asked to tick; `None` if it does not tick.
    pub fn tick_period_ms(&self, root: u32) -> Option<u32> {
        self.timers.period_ms(root)
    }

    /// The exchange of a context; an empty one if there is none.
    pub fn http_stream(&mut self, context_id: u32) -> &mut HttpStream {
        self.http_streams.entry(context_id).or_default()
    }

    /// The exchange of the context that acts; `None` if that is a root context.
    pub(crate) fn acting_stream(&mut self) -> Option<&mut HttpStream> {
        let id = self.contexts.acting();
        self.http_streams.get_mut(&id)
    }

    /// The next bytes of a fixed sequence (SplitMix64): a test must be repeatable, not unpredictable.
    pub(crate) fn random(&mut self, len: usize) -> Vec<u8> {
        let next = || {
            self.random_state = self.random_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed =
                (self.random_state ^ (self.random_state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) & 0xff) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }
}
