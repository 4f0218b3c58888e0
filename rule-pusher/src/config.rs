//! Limits and times of the service.

use std::time::Duration;

/// Limits and times of the service; the defaults are what `rule-pusher serve` runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether other machines may connect. Nothing asks them who they are.
    pub allow_non_loopback: bool,
    /// Connections that may be open at once to each address of filters and Envoys; one more is closed.
    pub connections_max: usize,
    /// The same of the address of operators.
    pub operator_connections_max: usize,
    /// Streams that may be open at once; one more is refused.
    pub subscribers_max: usize,
    /// Streams that may be open at once on one connection.
    pub streams_per_connection_max: u32,
    /// How long a new stream may take for its `Hello`.
    pub hello_timeout: Duration,
    /// How long a filter may neither take a chunk nor answer while a bundle is on its way to it.
    pub answer_timeout: Duration,
    /// Publications that may be received at once.
    pub publications_max: usize,
    /// How long a publication may take to arrive.
    pub publish_timeout: Duration,
    /// Configurations that may be on their way to Envoys at once.
    pub ecds_transfers_max: usize,
    /// The first pause before a bundle is sent again after a transient NACK; it doubles with each further one.
    pub retry_first: Duration,
    /// The longest of those pauses.
    pub retry_max: Duration,
    /// How often a quiet connection is probed.
    pub keepalive_interval: Duration,
    /// How long a probe may stay unanswered before the connection is closed.
    pub keepalive_timeout: Duration,
    /// How long open streams may take to end when the service stops.
    pub shutdown_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_non_loopback: false,
            connections_max: 20_000,
            operator_connections_max: 256,
            subscribers_max: 20_000,
            streams_per_connection_max: 1_024,
            hello_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(60),
            publications_max: 4,
            publish_timeout: Duration::from_secs(60),
            ecds_transfers_max: 16,
            retry_first: Duration::from_secs(5),
            retry_max: Duration::from_secs(300),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(5),
        }
    }
}
