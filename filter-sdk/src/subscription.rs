//! The stream to the push service, as a thing that opens, breaks and opens again.
//!
//! ```text
//! resting ──turn──► waiting ──tick──► open ──bad message, failed send──► closing ──tick──► waiting
//!    ▲                 ▲               ├───── closed by the other end ──────────────────────┘
//!    └─────────────────┴───────────────┴─ another VM keeps the stream
//! ```

use crate::backoff::Backoff;
use crate::config::Cluster;
use crate::host::{HostError, Level};
use crate::intake::Violation;
use crate::load::Loader;
use crate::metrics::Metric;
use riskgate_push_protocol::limits::MESSAGE_LEN_MAX;
use riskgate_push_protocol::{PusherMessage, SubscriberMessage};

/// How often the root context's tick runs once it has begun.
pub(crate) const TICK_PERIOD_MS: u32 = 100;
/// A stream that lived this long was a good one: the next wait is a short one again.
const GOOD_STREAM_MS: u32 = 5_000;

/// The stream of one root context.
pub(crate) struct Subscription {
    cluster: Cluster,
    link: Link,
    backoff: Backoff,
    /// The last line about the connection: a push service that is away is logged once, not at every attempt.
    last_line: String,
}

#[derive(Debug)]
enum Link {
    /// There is to be no stream.
    Resting,
    Waiting {
        ms: u32,
    },
    Open {
        token: u32,
        epoch: u64,
        age_ms: u32,
    },
    /// Cancelled at the next tick, outside of the callback that found what is wrong. Nothing that still comes is read.
    Closing {
        token: u32,
    },
}

impl Subscription {
    pub(crate) fn new(cluster: Cluster) -> Subscription {
        Subscription {
            cluster,
            link: Link::Resting,
            backoff: Backoff::default(),
            last_line: String::new(),
        }
    }

    /// Time passes. True when a stream of this epoch is to be opened now.
    pub(crate) fn tick(&mut self, loader: &Loader<'_>, epoch: u64) -> bool {
        match &mut self.link {
            // A configuration reaches all VMs of all proxies at once. Those that have a ruleset do not hurry.
            Link::Resting if loader.held().is_some() => {
                let ms = Backoff::default().next_ms(loader.host);
                self.link = Link::Waiting { ms };
                false
            }
            Link::Resting | Link::Waiting { ms: 0 } => true,
            Link::Waiting { ms } => {
                *ms = ms.saturating_sub(TICK_PERIOD_MS);
                false
            }
            Link::Open { epoch: open, .. } if *open != epoch => {
                self.rest(loader);
                true
            }
            Link::Open { age_ms, .. } => {
                *age_ms = age_ms.saturating_add(TICK_PERIOD_MS);
                let age_ms = *age_ms;
                if age_ms >= GOOD_STREAM_MS {
                    self.backoff.reset();
                    self.last_line.clear();
                }
                if age_ms == GOOD_STREAM_MS && loader.held().is_none() {
                    self.log_once(loader, nothing_came(loader));
                }
                false
            }
            Link::Closing { token } => {
                let token = *token;
                self.drop_stream(loader, token);
                false
            }
        }
    }

    /// Opens a stream, on which `hello` is the first message, and says whether that worked.
    pub(crate) fn open(
        &mut self,
        loader: &Loader<'_>,
        epoch: u64,
        hello: &SubscriberMessage,
    ) -> bool {
        match self.try_open(loader, hello) {
            Ok(token) => {
                loader.metrics.count(loader.host, Metric::StreamOpened);
                self.link = Link::Open {
                    token,
                    epoch,
                    age_ms: 0,
                };
                true
            }
            Err(error) => {
                self.wait(loader);
                self.cannot_open(loader, error);
                false
            }
        }
    }

    /// Says that there is no stream.
    pub(crate) fn cannot_open(&mut self, loader: &Loader<'_>, error: HostError) {
        let cluster = self.cluster.name();
        let line = format!("no stream to cluster `{cluster}`: {error}; trying again");
        self.log_once(loader, line);
    }

    /// There is to be no stream any more.
    pub(crate) fn rest(&mut self, loader: &Loader<'_>) {
        if let Some(token) = self.token() {
            self.drop_stream(loader, token);
        }
        self.link = Link::Resting;
    }

    /// Whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.link, Link::Open { .. })
    }

    /// A message of `len` bytes came on a stream; `None` if it is not read.
    pub(crate) fn receive(
        &self,
        loader: &Loader<'_>,
        token: u32,
        len: usize,
    ) -> Option<Result<PusherMessage, Violation>> {
        let is_open = matches!(self.link, Link::Open { token: open, .. } if open == token);
        is_open.then(|| read(loader, len))
    }

    /// Sends a message; a stream that takes none is given up.
    pub(crate) fn send(&mut self, loader: &Loader<'_>, message: &SubscriberMessage) {
        if let Link::Open { token, .. } = self.link
            && let Err(error) = loader.host.send_message(token, &message.encode_to_vec())
        {
            self.give_up(loader, &error);
        }
    }

    /// Lets go of the stream for something that went wrong on it.
    pub(crate) fn give_up(&mut self, loader: &Loader<'_>, why: &dyn std::fmt::Display) {
        if let Link::Open { token, .. } = self.link {
            self.link = Link::Closing { token };
            self.log_once(
                loader,
                format!("the stream is given up: {why}; trying again"),
            );
        }
    }

    /// The other end closed a stream; says whether it was this one.
    pub(crate) fn on_close(&mut self, loader: &Loader<'_>, token: u32, status: u32) -> bool {
        let is_own = self.token() == Some(token);
        if is_own {
            self.log_once(
                loader,
                format!("the push service closed the stream (gRPC status {status}); trying again"),
            );
            // The host keeps its entry of the stream until it is cancelled.
            self.drop_stream(loader, token);
        }
        is_own
    }

    fn token(&self) -> Option<u32> {
        match &self.link {
            Link::Open { token, .. } | Link::Closing { token } => Some(*token),
            Link::Resting | Link::Waiting { .. } => None,
        }
    }

    fn try_open(&self, loader: &Loader<'_>, hello: &SubscriberMessage) -> Result<u32, HostError> {
        let token = loader.host.open_stream(&self.cluster)?;
        let sent = loader.host.send_message(token, &hello.encode_to_vec());
        if let Err(error) = sent {
            let _ = loader.host.cancel_stream(token);
            return Err(error);
        }
        Ok(token)
    }

    fn log_once(&mut self, loader: &Loader<'_>, line: String) {
        if self.last_line != line {
            let ruleset = &loader.config.ruleset;
            let logged = format!("ruleset `{ruleset}`: {line}");
            loader.host.log(Level::Warn, &logged);
            self.last_line = line;
        }
    }

    fn drop_stream(&mut self, loader: &Loader<'_>, token: u32) {
        let _ = loader.host.cancel_stream(token);
        loader.metrics.count(loader.host, Metric::StreamClosed);
        self.wait(loader);
    }

    fn wait(&mut self, loader: &Loader<'_>) {
        self.link = Link::Waiting {
            ms: self.backoff.next_ms(loader.host),
        };
    }
}

/// A name that nobody publishes under looks like a push service that is slow, but for this line.
fn nothing_came(loader: &Loader<'_>) -> String {
    let audience = loader.config.audience.as_ref();
    let audience = audience.map_or_else(
        || "without an audience".to_owned(),
        |audience| format!("for audience `{audience}`"),
    );
    let seconds = GOOD_STREAM_MS / 1_000;
    format!(
        "the stream to the push service has been open for {seconds} s and no rules have come; is a bundle of this ruleset published \
         {audience}? `on_missing` decides until one comes"
    )
}

/// A message that is too long is not even copied.
fn read(loader: &Loader<'_>, len: usize) -> Result<PusherMessage, Violation> {
    if len > MESSAGE_LEN_MAX {
        let limit = MESSAGE_LEN_MAX;
        return Err(Violation::TooLong { len, limit });
    }
    let bytes = loader.host.received_message(len);
    let bytes = bytes.map_err(|error| Violation::Unreadable(error.to_string()))?;
    PusherMessage::decode(&bytes).map_err(|error| Violation::Unreadable(error.to_string()))
}
