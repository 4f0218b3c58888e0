//! The service for Envoys: it drives one [`Stream`] for each stream.

use std::{pin::Pin, sync::Arc};

use envoy_types::pb::envoy::service::{
    discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryService,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_blocking,
    time::{self, Instant},
};
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use super::{
    Deliveries, Resources,
    deliveries::Listed,
    resource::Resource,
    stream::{Due, News, Stream},
};
use crate::{
    catalogue::Catalogue,
    clock::Clock,
    config::Config,
    outbox::{Outbox, Outgoing, outbox},
    publisher::Publisher,
};

/// The longest request, in bytes: Envoy's node lists every extension that it is built with, and an error may quote a
/// configuration.
pub(crate) const REQUEST_LEN_MAX: usize = 4 << 20;

/// Serves Envoys.
#[derive(Clone)]
pub(crate) struct Discovery {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Arc<Config>,
    pub(crate) seats: Arc<Semaphore>,
    /// Responses that may be on their way at once: each holds a bundle in memory, several times over.
    pub(crate) transfers: Arc<Semaphore>,
    /// Becomes true when the service stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

type Incoming = Streaming<DiscoveryRequest>;
type ToEnvoy = Outgoing<DiscoveryResponse>;

#[tonic::async_trait]
impl ExtensionConfigDiscoveryService for Discovery {
    type StreamExtensionConfigsStream = Outbox<DiscoveryResponse>;
    type DeltaExtensionConfigsStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

    async fn stream_extension_configs(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Self::StreamExtensionConfigsStream>, Status> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            warn!(
                "an Envoy was turned away: all {} seats are taken",
                self.config.subscribers_max
            );
            Status::resource_exhausted("no more Envoys fit; connect again later")
        })?;
        let (outgoing, outbox) = outbox();
        tokio::spawn(self.clone().serve(request.into_inner(), outgoing, seat));
        Ok(Response::new(outbox))
    }

    async fn delta_extension_configs(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaExtensionConfigsStream>, Status> {
        Err(only_streams("`api_type: GRPC`, not DELTA_GRPC"))
    }

    async fn fetch_extension_configs(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(only_streams("`api_type: GRPC`, not REST"))
    }
}

fn only_streams(remedy: &str) -> Status {
    Status::unimplemented(format!(
        "only StreamExtensionConfigs is served; configure {remedy}"
    ))
}

impl Discovery {
    /// Runs a stream to its end; an error is the last thing that Envoy is told.
    async fn serve(self, incoming: Incoming, outgoing: ToEnvoy, seat: OwnedSemaphorePermit) {
        let listed = self.deliveries.list();
        let stream = Stream::new(self.clock.now_ms());
        let mut fetching = Fetching {
            discovery: self,
            stream,
            listed,
            transfer: None,
        };
        let end = fetching.drive(incoming, &outgoing).await;
        let node = fetching.stream.node();
        if let Err(status) = &end {
            debug!(?node, code = ?status.code(), "a stream was closed: {}", status.message());
        }
        outgoing.end(end);
        drop(seat);
    }

    /// Makes what is due, which takes a while, off the threads that serve others.
    async fn make(&self, due: Vec<Due>) -> Result<Vec<(Due, Arc<Resource>)>, Status> {
        let resources = Arc::clone(&self.resources);
        let make = move || {
            let made = |due: Due| {
                resources
                    .make(due.0, &due.1)
                    .map(|resource| (due, resource))
            };
            due.into_iter().filter_map(made).collect()
        };
        spawn_blocking(make)
            .await
            .map_err(|_| Status::internal("a configuration could not be made"))
    }
}

/// An open stream.
struct Fetching {
    discovery: Discovery,
    stream: Stream,
    listed: Listed,
    /// Held until Envoy answers, or has taken too long.
    transfer: Option<Transfer>,
}

struct Transfer {
    _permit: OwnedSemaphorePermit,
    until: Instant,
}

impl Fetching {
    /// Whatever happens next on the stream, until it ends.
    async fn drive(&mut self, mut incoming: Incoming, outgoing: &ToEnvoy) -> Result<(), Status> {
        let Discovery {
            publisher,
            transfers,
            config,
            ..
        } = self.discovery.clone();
        let mut stopping = self.discovery.stopping.clone();
        let mut snapshots = Catalogue::watch(publisher.catalogue());
        let limit = config.hello_timeout;
        let first = time::timeout(limit, incoming.message()).await;
        let first = first.map_err(|_| {
            Status::deadline_exceeded(format!("no request came within {limit:?}"))
        })??;
        let Some(first) = first else { return Ok(()) };
        self.on_request(first)?;
        loop {
            self.listed.update(self.stream.deliveries());
            let snapshot = snapshots.borrow_and_update().clone();
            let due = self.stream.due(&snapshot);
            let may_send = !due.is_empty() && self.transfer.is_none();
            let overdue = self.transfer.as_ref().map(|transfer| transfer.until);
            tokio::select! {
                request = incoming.message() => match request? {
                    Some(request) => self.on_request(request)?,
                    None => return Ok(()),
                },
                permit = Arc::clone(&transfers).acquire_owned(), if may_send => {
                    let permit = permit.map_err(|_| stops())?;
                    self.send(due, permit, outgoing).await?;
                }
                () = until(overdue) => self.transfer = None,
                // The publisher outlives every stream, so that the catalogue does too.
                _ = snapshots.changed() => {}
                () = stopped(&mut stopping) => return Err(stops()),
                () = outgoing.closed() => return Ok(()),
            }
        }
    }

    fn on_request(&mut self, request: DiscoveryRequest) -> Result<(), Status> {
        let templates = self.discovery.resources.templates();
        let now_ms = self.discovery.clock.now_ms();
        let News {
            unknown,
            refused,
            taken,
        } = self
            .stream
            .on_request(request, templates, now_ms)
            .map_err(Status::invalid_argument)?;
        let node = self.stream.node();
        for name in unknown {
            warn!(
                ?node,
                ?name,
                "an Envoy asks for a resource that is not configured here"
            );
        }
        if let Some(detail) = refused {
            warn!(?node, ?detail, "an Envoy refused a configuration");
        } else if taken {
            info!(?node, "a configuration was delivered");
        }
        if !self.stream.is_waiting() {
            self.transfer = None;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        due: Vec<Due>,
        permit: OwnedSemaphorePermit,
        outgoing: &ToEnvoy,
    ) -> Result<(), Status> {
        let made = self.discovery.make(due).await?;
        let Some(response) = self.stream.send(made, self.discovery.clock.now_ms()) else {
            return Ok(());
        };
        // One response at a time is under way, so there is room, or nobody any more.
        if let Some(slot) = outgoing.reserve().await {
            slot.send(Ok(response));
        }
        self.transfer = Some(Transfer {
            _permit: permit,
            until: Instant::now() + self.discovery.config.answer_timeout,
        });
        Ok(())
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop as well.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

fn stops() -> Status {
    Status::unavailable("the pusher stops; connect again")
}

/// Pending for ever if there is no instant.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
