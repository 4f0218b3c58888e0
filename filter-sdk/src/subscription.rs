//! The stream to the push service: bundles come down it, reports go up.
//!
//! ```text
//! waiting ──tick──► open ──bad message, failed send──► closing ──tick──► waiting
//!    ▲                └────────── closed by the other end ──────────────────┘
//! ```

use crate::backoff::Backoff;
use crate::config::Cluster;
use crate::host::{HostError, Level};
use crate::identity::Identity;
use crate::load::Loader;
use crate::metrics::Metric;
use crate::refused::Refused;
use crate::transfer::{ChunkError, Transfer};
use crate::vm::Vm;
use riskgate_engine::admission::Mark;
use riskgate_engine::bundle::Bundle;
use riskgate_push_protocol::limits::MESSAGE_LEN_MAX;
use riskgate_push_protocol::{
    BundleId, Digest, InstanceId, Nack, VmId,
    v1::{BundleChunk, BundleStart, ChunkTaken, Hello, PusherMessage, SubscriberMessage},
};
use std::sync::Arc;

/// How often the root context's tick runs once it has begun.
pub(crate) const TICK_PERIOD_MS: u32 = 100;
/// A stream that lived this long was a good one: the next wait is a short one again.
const GOOD_STREAM_MS: u32 = 5_000;

/// How the log calls a bundle that came by the stream.
const ORIGIN: &str = "from the push service";
/// Reason of a NACK: what came is not the announced bundle, in order.
const BAD_CHUNK: &str = "bad-chunk";
/// Reason of a NACK: a message or a bundle over the limit.
pub(crate) const TOO_LARGE: &str = "too-large";

/// The subscription of one root context.
pub(crate) struct Subscription {
    cluster: Cluster,
    vm: Vm,
    identity: Option<Identity>,
    link: Link,
    backoff: Backoff,
    refused: Refused,
    /// The last line about the connection: a push service that is away is logged once, not at every attempt.
    last_line: String,
}

#[derive(Debug)]
enum Link {
    /// No tick came yet.
    New,
    Waiting {
        ms: u32,
    },
    Open(Stream),
    /// Cancelled at the next tick, so that a last report has left. Nothing that still comes is read.
    Closing {
        token: u32,
    },
    /// The root context is done.
    Ended,
}

#[derive(Debug)]
struct Stream {
    token: u32,
    age_ms: u32,
    told_serves_requests: bool,
    /// What the push service was last told about what serves here.
    told_held: Option<BundleId>,
    incoming: Incoming,
}

#[derive(Debug)]
enum Incoming {
    Nothing,
    Transfer(Transfer),
    /// Was answered before all its chunks came: those that were sent already are dropped.
    Answered(Digest),
}

/// What a message leaves the stream in; an error ends it.
type Handled = Result<(), Violation>;

/// Why the stream ends.
#[derive(Debug)]
struct Violation {
    /// The stable word that a NACK carries.
    reason: &'static str,
    detail: String,
}

impl Subscription {
    pub(crate) fn new(cluster: Cluster, vm: Vm) -> Subscription {
        Subscription {
            cluster,
            vm,
            identity: None,
            link: Link::New,
            backoff: Backoff::default(),
            refused: Refused::default(),
            last_line: String::new(),
        }
    }

    /// Time passes: connects, reports, or ends a stream that went wrong.
    pub(crate) fn tick(&mut self, loader: &Loader<'_>, serves_requests: bool) {
        match &mut self.link {
            // A configuration reaches all VMs of all proxies at once. Those that have a ruleset do not hurry.
            Link::New if loader.held().is_some() => {
                let ms = Backoff::default().next_ms(loader.host);
                self.link = Link::Waiting { ms };
            }
            Link::New | Link::Waiting { ms: 0 } => self.connect(loader, serves_requests),
            Link::Waiting { ms } => *ms = ms.saturating_sub(TICK_PERIOD_MS),
            Link::Open(stream) => {
                stream.age_ms = stream.age_ms.saturating_add(TICK_PERIOD_MS);
                if stream.age_ms >= GOOD_STREAM_MS {
                    self.backoff.reset();
                    self.last_line.clear();
                }
                if serves_requests && !stream.told_serves_requests {
                    stream.told_serves_requests = true;
                    self.report(loader, &SubscriberMessage::ServesRequests);
                }
                self.tell_held(loader);
            }
            Link::Closing { token } => {
                let token = *token;
                self.drop_stream(loader, token);
            }
            Link::Ended => {}
        }
    }

    /// A message of `len` bytes came on a stream.
    pub(crate) fn on_message(&mut self, loader: &mut Loader<'_>, token: u32, len: usize) {
        if !matches!(&self.link, Link::Open(stream) if stream.token == token) {
            return;
        }
        if let Err(violation) = self.handle(loader, len) {
            self.give_up(loader, violation);
        }
    }

    /// The other end closed a stream.
    pub(crate) fn on_close(&mut self, loader: &Loader<'_>, token: u32, status: u32) {
        if self.token() == Some(token) {
            self.log_once(
                loader,
                format!("the push service closed the stream (gRPC status {status}); trying again"),
            );
            // The host keeps its entry of the stream until it is cancelled.
            self.drop_stream(loader, token);
        }
    }

    /// The root context is done: no stream is opened any more.
    pub(crate) fn end(&mut self, loader: &Loader<'_>) {
        if let Some(token) = self.token() {
            self.drop_stream(loader, token);
        }
        self.link = Link::Ended;
    }

    fn token(&self) -> Option<u32> {
        match &self.link {
            Link::Open(Stream { token, .. }) | Link::Closing { token } => Some(*token),
            Link::New | Link::Waiting { .. } | Link::Ended => None,
        }
    }

    fn connect(&mut self, loader: &Loader<'_>, serves_requests: bool) {
        match self.open(loader, serves_requests) {
            Ok(token) => {
                loader.metrics.count(loader.host, Metric::StreamOpened);
                self.refused.begin_stream();
                let incoming = Incoming::Nothing;
                self.link = Link::Open(Stream {
                    token,
                    age_ms: 0,
                    told_serves_requests: serves_requests,
                    told_held: loader.held().map(mark_id),
                    incoming,
                });
            }
            Err(error) => {
                self.wait(loader);
                let cluster = self.cluster.name();
                self.log_once(
                    loader,
                    format!("no stream to cluster `{cluster}`: {error}; trying again"),
                );
            }
        }
    }

    fn log_once(&mut self, loader: &Loader<'_>, line: String) {
        if self.last_line != line {
            loader.host.log(
                Level::Warn,
                &format!("ruleset `{}`: {line}", loader.config.ruleset),
            );
            self.last_line = line;
        }
    }

    /// Opens a stream and introduces this VM on it.
    fn open(&mut self, loader: &Loader<'_>, serves_requests: bool) -> Result<u32, HostError> {
        let identity = match &self.identity {
            Some(identity) => identity,
            None => {
                let vm = self.vm.nonce(loader.host)?;
                self.identity.insert(Identity::establish(loader.host, vm))
            }
        };
        let hello = SubscriberMessage::Hello(Hello {
            node: identity.node.clone(),
            instance: InstanceId(identity.instance),
            vm: VmId(identity.vm),
            serves_requests,
            ruleset: loader.config.ruleset.clone(),
            audience: loader.config.audience.clone(),
            held: loader.held().map(mark_id),
        });
        let token = loader.host.open_stream(&self.cluster)?;
        if let Err(error) = loader.host.send_message(token, &hello.encode_to_vec()) {
            let _ = loader.host.cancel_stream(token);
            return Err(error);
        }
        Ok(token)
    }

    fn handle(&mut self, loader: &mut Loader<'_>, len: usize) -> Handled {
        if len > MESSAGE_LEN_MAX {
            let detail = format!("a message of {len} bytes came, {MESSAGE_LEN_MAX} are allowed");
            return Err(Violation {
                reason: TOO_LARGE,
                detail,
            });
        }
        let unreadable = |detail: String| Violation {
            reason: BAD_CHUNK,
            detail,
        };
        let bytes = loader
            .host
            .received_message(len)
            .map_err(|error| unreadable(error.to_string()))?;
        match PusherMessage::decode(&bytes).map_err(|error| unreadable(error.to_string()))? {
            PusherMessage::Start(start) => self.on_start(loader, &start),
            PusherMessage::Chunk(chunk) => self.on_chunk(loader, &chunk)?,
        }
        Ok(())
    }

    fn on_start(&mut self, loader: &Loader<'_>, start: &BundleStart) {
        let bundle = start.bundle;
        let held = loader.held().map(mark_id) == Some(bundle);
        let (incoming, answer) = if held {
            (
                Incoming::Answered(bundle.digest),
                Some(SubscriberMessage::Ack(bundle)),
            )
        } else if let Some(nack) = self.refused.find(bundle) {
            (
                Incoming::Answered(bundle.digest),
                Some(SubscriberMessage::Nack(nack.clone())),
            )
        } else {
            match Transfer::begin(start) {
                Ok(transfer) => (Incoming::Transfer(transfer), None),
                Err(error) => {
                    loader.report_refused(error.code(), &error, ORIGIN);
                    let answer = transient_nack(bundle, error.code(), error.to_string());
                    (Incoming::Answered(bundle.digest), Some(answer))
                }
            }
        };
        self.set_incoming(incoming);
        if let Some(answer) = answer {
            self.report(loader, &answer);
        }
    }

    fn on_chunk(&mut self, loader: &mut Loader<'_>, chunk: &BundleChunk) -> Handled {
        let Link::Open(stream) = &mut self.link else {
            return Ok(());
        };
        let transfer = match &mut stream.incoming {
            Incoming::Transfer(transfer) => transfer,
            Incoming::Answered(digest) if *digest == chunk.digest => return Ok(()),
            Incoming::Answered(_) | Incoming::Nothing => return Err(ChunkError::OtherBundle.into()),
        };
        let received = transfer.add(chunk)?;
        let answer = match transfer.complete() {
            None => None,
            Some(file) => {
                let bundle = transfer.bundle();
                stream.incoming = Incoming::Nothing;
                let answer = judge(loader, &mut self.refused, bundle, &file);
                Some(answer)
            }
        };
        self.report(
            loader,
            &SubscriberMessage::ChunkTaken(ChunkTaken {
                digest: chunk.digest,
                received,
            }),
        );
        if let Some(answer) = answer {
            self.report(loader, &answer);
        }
        Ok(())
    }

    fn set_incoming(&mut self, incoming: Incoming) {
        if let Link::Open(stream) = &mut self.link {
            stream.incoming = incoming;
        }
    }

    /// Refuses what was under way, and lets go of the stream.
    fn give_up(&mut self, loader: &Loader<'_>, Violation { reason, detail }: Violation) {
        loader.report_refused(reason, &detail, ORIGIN);
        if let Link::Open(Stream {
            token, incoming, ..
        }) = &self.link
        {
            let token = *token;
            if let Incoming::Transfer(transfer) = incoming {
                let answer = transient_nack(transfer.bundle(), reason, detail);
                self.report(loader, &answer);
            }
            self.link = Link::Closing { token };
        }
    }

    /// Tells what serves by now, if another filter of the VM has accepted it.
    fn tell_held(&mut self, loader: &Loader<'_>) {
        let Link::Open(stream) = &mut self.link else {
            return;
        };
        let Some(held) = loader.held().map(mark_id) else {
            return;
        };
        if stream.told_held == Some(held) {
            return;
        }
        // That answers a transfer of it: the push service sends no more than is on its way.
        if matches!(&stream.incoming, Incoming::Transfer(transfer) if transfer.bundle() == held) {
            stream.incoming = Incoming::Answered(held.digest);
        }
        self.report(loader, &SubscriberMessage::Ack(held));
    }

    /// Sends a message; a stream that takes none is given up.
    fn report(&mut self, loader: &Loader<'_>, message: &SubscriberMessage) {
        let Link::Open(stream) = &mut self.link else {
            return;
        };
        let sent = loader
            .host
            .send_message(stream.token, &message.encode_to_vec());
        match (sent, message) {
            (Err(_), _) => {
                let token = stream.token;
                self.link = Link::Closing { token };
            }
            (Ok(()), SubscriberMessage::Ack(held)) => stream.told_held = Some(*held),
            (Ok(()), _) => {}
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

/// Loads a bundle that has arrived whole, and says how that went.
fn judge(
    loader: &mut Loader<'_>,
    refused: &mut Refused,
    bundle: BundleId,
    file: &Arc<[u8]>,
) -> SubscriberMessage {
    // A file that cannot be taken apart has no digest to compare: loading it says what is wrong.
    if let Some(arrived) = Bundle::parse(file).ok().map(|file| manifest_id(&file))
        && arrived != bundle
    {
        let detail = format!("{bundle} was announced, {arrived} came");
        loader.report_refused(BAD_CHUNK, &detail, ORIGIN);
        return transient_nack(bundle, BAD_CHUNK, detail);
    }
    match loader.load(file, ORIGIN) {
        Ok(mark) => SubscriberMessage::Ack(mark_id(mark)),
        Err(refusal) => SubscriberMessage::Nack(refused.note(bundle, &refusal)),
    }
}

fn transient_nack(bundle: BundleId, reason: &str, detail: String) -> SubscriberMessage {
    SubscriberMessage::Nack(Nack {
        bundle,
        reason: reason.to_owned(),
        detail,
        permanent: false,
    })
}

fn mark_id(mark: Mark) -> BundleId {
    BundleId {
        revision: mark.revision,
        digest: Digest(mark.digest.0),
    }
}

fn manifest_id(file: &Bundle<'_>) -> BundleId {
    BundleId {
        revision: file.manifest().revision,
        digest: Digest(file.digest().0),
    }
}

impl From<ChunkError> for Violation {
    fn from(error: ChunkError) -> Violation {
        Violation {
            reason: BAD_CHUNK,
            detail: error.to_string(),
        }
    }
}
