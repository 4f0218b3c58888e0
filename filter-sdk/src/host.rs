//! What a filter asks of the proxy it runs in.

use crate::config::Cluster;
use std::num::NonZeroU32;

/// The gRPC service and method that [`Host::open_stream`] opens.
pub use riskgate_push_protocol::{PUSH_SERVICE, SUBSCRIBE_METHOD};

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something that operators like to find in the log.
    Info,
    /// Something that works on, but not as configured.
    Warn,
    /// Something that somebody has to mend.
    Error,
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Goes up only.
    Counter,
    /// Holds the last recorded value.
    Gauge,
}

/// Why the host did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A status other than success.
    #[error("the host answered status {0}")]
    Status(u32),
    /// The value is longer than was asked for, though it was emptied: somebody is writing there.
    #[error("the value is longer than anything that belongs there")]
    TooLong,
    /// There is no memory for what the host has.
    #[error("there is no memory for the host's answer")]
    NoMemory,
    /// Success, with a buffer that cannot be one.
    #[error("the host answered with a buffer that cannot be one")]
    Buffer,
}

/// Which version of a value of shared data it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(NonZeroU32);

impl Version {
    /// `None` for 0, which stands for any version: writing with that would undo what others wrote.
    #[must_use]
    pub fn new(number: u32) -> Option<Version> {
        NonZeroU32::new(number).map(Version)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

/// The proxy. No method panics, and none trusts what the proxy hands back.
///
/// What is asked for in each request is put into a buffer of the caller's, in place of what that held: in the steady state
/// no memory is allocated for it. What it holds after an error means nothing. Other buffers are the caller's from then on. Which request or stream message is meant is the
/// proxy's to know: it is the one whose callback runs.
pub trait Host {
    /// Writes a log line.
    fn log(&self, level: Level, message: &str);
    /// Wall clock, nanoseconds since the Unix epoch.
    fn now_ns(&self) -> Result<u64, HostError>;
    /// Monotonic clock, nanoseconds: the same for all VMs of a process, and never set.
    fn monotonic_ns(&self) -> Result<u64, HostError>;
    /// Fills `out` with random bytes that cannot be guessed.
    fn random(&self, out: &mut [u8]) -> Result<(), HostError>;
    /// Calls the root context's tick every `period_ms` from now on.
    fn set_tick_period(&self, period_ms: u32) -> Result<(), HostError>;

    /// The value under `key` of the data that all VMs of a process share. A long one is emptied first, as
    /// [`Host::shared_data_version`] does.
    fn shared_data(&self, key: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Writes `value` under `key` if nothing is there; `false` if something was.
    fn create_shared_data(&self, key: &str, value: &[u8]) -> Result<bool, HostError>;

    /// Puts the value under `key` into `value`, and says which version of it that is; `None` when nothing is there. One of
    /// more than `max_len` bytes, which only a neighbour can have written, is emptied first, and no memory is taken for it:
    /// its version cannot be known, and it would stand there for good.
    fn shared_data_version(
        &self,
        key: &str,
        max_len: usize,
        value: &mut Vec<u8>,
    ) -> Result<Option<Version>, HostError>;
    /// Writes `value` under `key` if what is there is still that version, or nothing is there any more; `false` if it is
    /// another one.
    fn replace_shared_data(
        &self,
        key: &str,
        value: &[u8],
        version: Version,
    ) -> Result<bool, HostError>;

    /// Lets the root context whose callback runs be told of each message in the queue `name` of this `vm_id`, in place of
    /// whoever was told until now, and returns the queue's token. What is in it stays.
    fn register_queue(&self, name: &str) -> Result<u32, HostError>;
    /// The token of the queue `name` of this `vm_id`; `None` if nobody registered it.
    fn resolve_queue(&self, name: &str) -> Result<Option<u32>, HostError>;
    /// Puts a message into a queue.
    fn enqueue(&self, queue: u32, message: &[u8]) -> Result<(), HostError>;
    /// Takes the oldest message out of a queue and puts it into `message`; false if there is none. Of one that is longer than
    /// a wake-up, which a neighbour may have sent, nothing is kept.
    fn dequeue(&self, queue: u32, message: &mut Vec<u8>) -> Result<bool, HostError>;

    /// Puts a property of the request, the connection or the node into `value`; false when it is absent. The parts of
    /// `path` are joined with zero bytes.
    fn property(&self, path: &str, value: &mut Vec<u8>) -> Result<bool, HostError>;
    /// Sets a property, which access logs see as filter state.
    fn set_property(&self, path: &str, value: &[u8]) -> Result<(), HostError>;

    /// Puts the request's header map into `map`, as the ABI serializes it; see [`crate::headers`].
    fn request_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError>;
    /// Puts what has come of the request's body into `body`, but no more than `max_len` bytes. Before any came that is
    /// nothing.
    fn request_body(&self, max_len: usize, body: &mut Vec<u8>) -> Result<(), HostError>;
    /// Puts the header map of the request's response into `map`, as [`Host::request_headers`] does.
    fn response_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError>;
    /// Sets a request header, in place of all values it had.
    fn replace_request_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostError>;
    /// Removes every value of a request header.
    fn remove_request_header(&self, name: &[u8]) -> Result<(), HostError>;
    /// Answers the request in place of the upstream.
    fn send_local_response(
        &self,
        status: u16,
        headers: &[(&[u8], &[u8])],
        body: &[u8],
    ) -> Result<(), HostError>;

    /// Defines a metric, or finds the one of that name, and returns its id.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, HostError>;
    /// Adds to a counter.
    fn increment_metric(&self, id: u32, by: i64) -> Result<(), HostError>;
    /// Sets a gauge.
    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError>;

    /// Opens the subscription stream to the push service behind `cluster`, and returns its token.
    fn open_stream(&self, cluster: &Cluster) -> Result<u32, HostError>;
    /// Sends a message on a stream.
    fn send_message(&self, stream: u32, message: &[u8]) -> Result<(), HostError>;
    /// Ends a stream at once, in both directions.
    fn cancel_stream(&self, stream: u32) -> Result<(), HostError>;
    /// The stream message whose callback runs, of `len` bytes.
    fn received_message(&self, len: usize) -> Result<Vec<u8>, HostError>;
}
