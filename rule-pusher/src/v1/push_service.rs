//! The service for filters: it drives one [`Session`] for each stream.

use std::{sync::Arc, time::Duration};

use riskgate_push_protocol::v1::{
    Hello, SubscriberMessage,
    proto::{self, push_service_server::PushService},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{self, Instant},
};
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use crate::{
    catalogue::{Snapshot, Topic},
    clock::Clock,
    config::Config,
    outbox::{Outbox, Outgoing, outbox},
    publisher::Publisher,
    registry::{Listed, Registry},
    session::{Now, Retries},
};

use super::session::Session;

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
    async fn serve(
        self,
        incoming: Incoming,
        outgoing: Outgoing<proto::PusherMessage>,
        seat: OwnedSemaphorePermit,
    ) {
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
        outgoing: &Outgoing<proto::PusherMessage>,
    ) -> Result<(), Status> {
        let hello = tokio::select! {
            hello = receive_hello(&mut incoming, self.config.hello_timeout) => hello?,
            stopping = stopped(&mut self.stopping) => return Err(stopping),
        };
        let topic = Topic {
            ruleset: hello.ruleset.clone(),
            audience: hello.audience.clone(),
        };
        let retries = Retries::new(self.config.retry_first, self.config.retry_max);
        let session = Session::new(hello, retries, self.now());
        let listed = self.registry.list(&topic, session.status().clone());
        let catalogue = self.publisher.catalogue().watch();
        let vm = session.status();
        info!(node = ?vm.node, instance = %vm.instance, vm = %vm.vm, %topic, held = ?vm.held, "connected");
        let mut stream = VmStream {
            subscriptions: self,
            session,
            topic,
            listed,
            catalogue,
        };
        let end = stream.drive(incoming, outgoing).await;
        let vm = stream.session.status();
        info!(node = ?vm.node, instance = %vm.instance, vm = %vm.vm, topic = %stream.topic, "disconnected");
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
struct VmStream {
    subscriptions: Subscriptions,
    session: Session,
    topic: Topic,
    listed: Listed,
    catalogue: watch::Receiver<Snapshot>,
}

impl VmStream {
    /// Whatever happens next on the stream, until it ends.
    async fn drive(
        &mut self,
        mut incoming: Incoming,
        outgoing: &Outgoing<proto::PusherMessage>,
    ) -> Result<(), Status> {
        self.on_catalogue();
        loop {
            if let Some(status) = self.session.changed_status() {
                self.listed.update(vec![status.clone()]);
            }
            if self.session.is_signed_anew() {
                return Err(Status::aborted(
                    "the bundle that was refused here was signed anew; connect again",
                ));
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
                stopping = stopped(&mut self.subscriptions.stopping) => return Err(stopping),
                () = outgoing.closed() => return Ok(()),
            }
        }
    }

    fn on_catalogue(&mut self) {
        let now = self.subscriptions.now();
        let newest = self.catalogue.borrow_and_update();
        self.session.on_newest(newest.get(&self.topic), now);
    }

    /// A VM that trapped keeps its stream, and says nothing on it any more.
    fn deadline(&self) -> Option<Instant> {
        let limit = self.subscriptions.config.answer_timeout;
        self.session.silent_since().map(|since| since + limit)
    }

    fn too_slow(&self) -> Status {
        let vm = self.session.status();
        let limit = self.subscriptions.config.answer_timeout;
        warn!(node = ?vm.node, instance = %vm.instance, vm = %vm.vm, topic = %self.topic, "neither credit nor an answer came within {limit:?}");
        Status::deadline_exceeded(format!(
            "neither credit nor an answer came within {limit:?}; connect again"
        ))
    }

    fn on_message(&mut self, message: proto::SubscriberMessage) -> Result<(), Status> {
        let message = SubscriberMessage::try_from(message).map_err(invalid)?;
        if self.session.is_news(&message) {
            self.log_answer(&message);
        }
        let random = match message {
            SubscriberMessage::Nack(_) => random(),
            _ => 0,
        };
        self.session
            .on_message(message, random, self.subscriptions.now())
            .map_err(invalid)
    }

    fn log_answer(&self, message: &SubscriberMessage) {
        let vm = self.session.status();
        match message {
            SubscriberMessage::Ack(bundle) => {
                info!(node = ?vm.node, instance = %vm.instance, vm = %vm.vm, topic = %self.topic, %bundle, "ack");
            }
            SubscriberMessage::Nack(nack) => warn!(
                node = ?vm.node, instance = %vm.instance, vm = %vm.vm, topic = %self.topic, bundle = %nack.bundle,
                reason = ?nack.reason, detail = ?nack.detail, permanent = nack.permanent, "nack"
            ),
            SubscriberMessage::Hello(_)
            | SubscriberMessage::ServesRequests
            | SubscriberMessage::ChunkTaken(_) => {}
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

fn invalid(error: impl ToString) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Without entropy all retries come at the earliest moment, which is still a pause.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}
