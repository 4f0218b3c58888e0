//! What the proxy holds: everything that a test sets, and everything that the VM did.

use crate::callout::{GrpcCall, GrpcStream, HttpCall, HttpResponse, Outgoing, Tokens};
use crate::contexts::Contexts;
use crate::fault::{Fault, Faults};
use crate::http_stream::{Headers, HttpStream};
use crate::memory::MemoryLimit;
use crate::metric::Metric;
use crate::random::Random;
use crate::shared_data::SharedData;
use crate::shared_queue::SharedQueues;
use crate::timers::Timers;
use crate::watch::{HostCall, Watcher};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    /// In the order they were defined.
    pub metrics: Vec<Metric>,
    /// The names of clusters that the VM may use as upstreams.
    pub clusters: BTreeSet<Vec<u8>>,
    /// In the order they were made.
    pub http_calls: Vec<HttpCall>,
    /// In the order they were made.
    pub grpc_calls: Vec<GrpcCall>,
    /// In the order they were opened.
    pub grpc_streams: Vec<GrpcStream>,
    /// What `proxy_get_log_level` answers: 0 (trace) to 5 (critical). All lines are kept whatever it is.
    pub log_level: u32,
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
    /// Numbers that the VM was given, and the places of what they stand for.
    pub(crate) metric_ids: Vec<(u32, usize)>,
    pub(crate) contexts: Contexts,
    pub(crate) tokens: Tokens,
    /// What nobody has answered yet.
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) foreign_functions: BTreeMap<String, ForeignFunction>,
    pub(crate) timers: Timers,
    pub(crate) incoming: Incoming,
    /// The VM answered the exchange, so that nothing of it goes on after this callback.
    pub(crate) stop_iteration: bool,
    pub(crate) random: Random,
    pub(crate) memory: MemoryLimit,
    pub(crate) faults: Faults,
    pub(crate) watcher: Option<Watcher>,
    /// The callback that runs, or ran last.
    pub(crate) running: String,
}

/// What came for the callback that runs.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) plugin_configuration: Option<Vec<u8>>,
    pub(crate) grpc_message: Vec<u8>,
    pub(crate) grpc_initial_metadata: Option<Headers>,
    pub(crate) grpc_trailing_metadata: Option<Headers>,
    pub(crate) http_response: Option<HttpResponse>,
    /// What `proxy_on_foreign_function` was told.
    pub(crate) call_data: Vec<u8>,
    /// Code and text of what `proxy_get_status` answers.
    pub(crate) status: (u32, Vec<u8>),
}

/// What the proxy's own build offers beside the ABI.
pub(crate) struct ForeignFunction(Box<Foreign>);

type Foreign = dyn FnMut(&[u8]) -> Result<Vec<u8>, u32> + Send;

impl ForeignFunction {
    pub(crate) fn call(&mut self, argument: &[u8]) -> Result<Vec<u8>, u32> {
        (self.0)(argument)
    }
}

impl std::fmt::Debug for ForeignFunction {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ForeignFunction")
    }
}

impl Proxy {
    /// Lets every use of a call go wrong. `proxy_on_memory_allocate` is the memory that the VM gives for what a call returns: a
    /// status in its place is null.
    pub fn inject(&mut self, call: &str, fault: Fault) {
        self.faults.inject(call, 0, fault);
    }

    /// Lets a call work `good` times, and then always go wrong.
    pub fn inject_after(&mut self, call: &str, good: u32, fault: Fault) {
        self.faults.inject(call, good, fault);
    }

    /// Has `watch` look at each call, and say what is to happen in its place. What was injected goes before. The watcher before
    /// this one sees nothing any more, also if it was that of the process.
    pub fn on_call(&mut self, watch: impl FnMut(&HostCall<'_>) -> Option<Fault> + Send + 'static) {
        self.watcher = Some(Watcher::new(watch));
    }

    /// The VM gets no more memory than this, 1 GiB by default. What it has already it keeps.
    pub fn set_memory_limit_bytes(&mut self, max_bytes: usize) {
        self.memory.max_bytes = max_bytes;
    }

    /// How much memory the VM has. It never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.memory.bytes
    }

    /// How often the VM was refused more memory.
    pub fn memory_refusals(&self) -> u64 {
        self.memory.refusals
    }

    /// Lets a call work again.
    pub fn heal(&mut self, call: &str) {
        self.faults.heal(call);
    }

    /// What `proxy_call_foreign_function` does under that name: it gets the argument, and answers a result or a status.
    pub fn set_foreign_function(
        &mut self,
        name: &str,
        function: impl FnMut(&[u8]) -> Result<Vec<u8>, u32> + Send + 'static,
    ) {
        let function = ForeignFunction(Box::new(function));
        self.foreign_functions.insert(name.to_owned(), function);
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

    /// As in Envoy, a root context that goes resets what it opened.
    pub(crate) fn reset_callouts(&mut self, root: u32) {
        let streams = self.grpc_streams.iter_mut();
        for stream in streams.filter(|stream| stream.context_id == root && stream.is_open()) {
            stream.cancelled = true;
            self.outbox.push_back(Outgoing::Cancelled(stream.token));
        }
        let calls = self.grpc_calls.iter_mut();
        for call in calls.filter(|call| call.context_id == root && !call.cancelled) {
            call.cancelled = true;
            self.outbox.push_back(Outgoing::Cancelled(call.token));
        }
    }

    /// The exchange of the context that acts; `None` if that is a root context.
    pub(crate) fn acting_stream(&mut self) -> Option<&mut HttpStream> {
        let id = self.contexts.acting();
        self.http_streams.get_mut(&id)
    }
}
