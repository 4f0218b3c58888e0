//! The service for filters: it drives one [`Session`] for each stream.

use std::{sync::Arc, time::Duration};

use riskgate_push_protocol::{
    Hello, SubscriberMessage, VmAnswer, VmReport,
    proto::{self, push_service_server::PushService},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    time::{self, Instant},
};
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use crate::{
    catalogue::Snapshot,
    clock::Clock,
    config::Config,
    outbox::{Outbox, Outgoing, outbox},
    publisher::Publisher,
    registry::{Lease, Listed, Registry},
    session::{Now, Retries, Session},
};

/// Serves filters.
#[derive(Clone)]
pub(crate) struct Subscriptions {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Arc<Config>,
    pub(crate) seats: Arc<Semaphore>,
    /// Becomes true when the service stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

type Incoming = Streaming<proto::SubscriberMessage>;
type ToSubscriber = Outgoing<proto::PusherMessage>;

#[tonic::async_trait]
impl PushService for Subscriptions {
    type SubscribeStream = Outbox<proto::PusherMessage>;

    async fn subscribe(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            warn!(
                "a subscriber was turned away: all {} seats are taken",
                self.config.subscribers_max
            );
            Status::resource_exhausted("no more subscribers fit; connect again later")
        })?;
        let (outgoing, outbox) = outbox();
        tokio::spawn(self.clone().serve(request.into_inner(), outgoing, seat));
        Ok(Response::new(outbox))
    }
}

impl Subscriptions {
    /// Runs a stream to its end; an error is the last thing that the filter is told.
    async fn serve(self, incoming: Incoming, outgoing: ToSubscriber, seat: OwnedSemaphorePermit) {
        let end = self.greet_and_drive(incoming, &outgoing).await;
        if let Err(status) = &end {
            debug!(code = ?status.code(), "a stream was closed: {}", status.message());
        }
        outgoing.end(end);
        drop(seat);
    }

    async fn greet_and_drive(
        mut self,
        mut incoming: Incoming,
        outgoing: &ToSubscriber,
    ) -> Result<(), Status> {
        let hello = tokio::select! {
            hello = receive_hello(&mut incoming, self.config.hello_timeout) => hello?,
            stopping = stopped(&mut self.stopping) => return Err(stopping),
        };
        let lease = Lease {
            vm: hello.vm,
            epoch: hello.epoch,
        };
        let retries = Retries::new(self.config.retry_first, self.config.retry_max);
        let session = Session::new(hello, retries, self.now()).map_err(invalid)?;
        let who = session.subscriber();
        let listed = self
            .registry
            .list(who.instance, &who.topic, lease, session.statuses());
        let (listed, replaced) = listed.map_err(|_| outdated())?;
        let catalogue = self.publisher.catalogue().watch();
        info!(
            node = ?who.node, instance = %who.instance, vm = %who.holder, topic = %who.topic, epoch = lease.epoch,
            held = ?session.held(), "connected"
        );
        let mut stream = InstanceStream {
            subscriptions: self,
            session,
            listed,
            catalogue,
        };
        let end = stream.drive(incoming, outgoing, replaced).await;
        let who = stream.session.subscriber();
        info!(node = ?who.node, instance = %who.instance, vm = %who.holder, topic = %who.topic, "disconnected");
        end
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Instant::now(),
            wall_ms: self.clock.now_ms(),
        }
    }
}

/// An open stream that has said hello.
struct InstanceStream {
    subscriptions: Subscriptions,
    session: Session,
    listed: Listed,
    catalogue: watch::Receiver<Snapshot>,
}

impl InstanceStream {
    /// Whatever happens next on the stream, until it ends.
    async fn drive(
        &mut self,
        mut incoming: Incoming,
        outgoing: &ToSubscriber,
        mut replaced: oneshot::Receiver<()>,
    ) -> Result<(), Status> {
        self.on_catalogue();
        loop {
            if let Some(vms) = self.session.changed_statuses() {
                self.listed.update(vms);
            }
            let deadline = self.deadline();
            tokio::select! {
                message = incoming.message() => match message? {
                    Some(message) => self.on_message(message)?,
                    None => return Ok(()),
                },
                slot = outgoing.reserve(), if self.session.has_message() => {
                    let Some(slot) = slot else { return Ok(()) };
                    if let Some(message) = self.session.next_message() {
                        slot.send(Ok(message.into()));
                    }
                }
                // The publisher outlives every stream, so that the catalogue does too.
                _ = self.catalogue.changed() => self.on_catalogue(),
                () = until(self.session.retry_at()) => self.session.on_retry(self.subscriptions.now()),
                () = until(deadline) => return Err(self.too_slow()),
                _ = &mut replaced => return Err(outdated()),
                stopping = stopped(&mut self.subscriptions.stopping) => return Err(stopping),
                () = outgoing.closed() => return Ok(()),
            }
        }
    }

    fn on_catalogue(&mut self) {
        let now = self.subscriptions.now();
        let newest = self.catalogue.borrow_and_update();
        let newest = newest.get(&self.session.subscriber().topic).cloned();
        self.session.on_newest(newest.as_ref(), now);
    }

    /// A VM that trapped keeps its stream, and says nothing on it any more.
    fn deadline(&self) -> Option<Instant> {
        let limit = self.subscriptions.config.answer_timeout;
        self.session.silent_since().map(|since| since + limit)
    }

    fn too_slow(&self) -> Status {
        let who = self.session.subscriber();
        let limit = self.subscriptions.config.answer_timeout;
        warn!(node = ?who.node, instance = %who.instance, vm = %who.holder, topic = %who.topic, "neither credit nor an answer came within {limit:?}");
        Status::deadline_exceeded(format!(
            "neither credit nor an answer came within {limit:?}; connect again"
        ))
    }

    fn on_message(&mut self, message: proto::SubscriberMessage) -> Result<(), Status> {
        let message = SubscriberMessage::try_from(message).map_err(invalid)?;
        let random = match message {
            SubscriberMessage::Report(_) | SubscriberMessage::Holdings(_) => random(),
            SubscriberMessage::Hello(_) | SubscriberMessage::ChunkTaken(_) => 0,
        };
        let now = self.subscriptions.now();
        let news = self.session.on_message(message, random, now);
        self.log_answers(&news.map_err(invalid)?);
        Ok(())
    }

    fn log_answers(&self, news: &[VmReport]) {
        let who = self.session.subscriber();
        for VmReport { vm, answer, .. } in news {
            match answer {
                VmAnswer::Pending => {}
                VmAnswer::Ack(bundle) => {
                    info!(node = ?who.node, instance = %who.instance, %vm, topic = %who.topic, %bundle, "ack");
                }
                VmAnswer::Nack(nack) => warn!(
                    node = ?who.node, instance = %who.instance, %vm, topic = %who.topic, bundle = %nack.bundle,
                    reason = ?nack.reason, detail = ?nack.detail, permanent = nack.permanent, "nack"
                ),
            }
        }
    }
}

async fn receive_hello(incoming: &mut Incoming, limit: Duration) -> Result<Hello, Status> {
    let first = time::timeout(limit, incoming.message()).await;
    let first = first
        .map_err(|_| Status::deadline_exceeded(format!("no hello came within {limit:?}")))??;
    let first =
        first.ok_or_else(|| Status::invalid_argument("the stream ended without a hello"))?;
    match SubscriberMessage::try_from(first).map_err(invalid)? {
        SubscriberMessage::Hello(hello) => Ok(hello),
        _ => Err(Status::invalid_argument("the first message is no hello")),
    }
}

/// Pending for ever if there is no instant.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Returns when the service stops, with what the filters are told.
async fn stopped(stopping: &mut watch::Receiver<bool>) -> Status {
    // An error means that the server is gone, which is a stop as well.
    drop(stopping.wait_for(|stopping| *stopping).await);
    Status::unavailable("the pusher stops; connect again")
}

fn outdated() -> Status {
    Status::aborted("another VM of this Envoy process holds the stream under a later lease")
}

fn invalid(error: impl ToString) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Without entropy all retries come at the earliest moment, which is still a pause.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}
