//! Both services on their addresses, from start to graceful stop.

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use envoy_types::pb::envoy::service::extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryServiceServer;
use riskgate_push_protocol::{
    limits::{PIECE_LEN_MAX, SUBSCRIBER_MESSAGE_LEN_MAX},
    proto::{admin_service_server::AdminServiceServer, push_service_server::PushServiceServer},
};
use tokio::{
    sync::{Semaphore, watch},
    time,
};
use tonic::transport::{self, server::Router};
use tracing::{info, warn};

use crate::{
    admin_service::Admin,
    clock::Clock,
    config::Config,
    connections::Connections,
    ecds::{Deliveries, Discovery, REQUEST_LEN_MAX, Resources, Template},
    publisher::Publisher,
    push_service::Subscriptions,
    registry::Registry,
    store::{Store, StoreError},
    verify::Verifier,
};

/// Before the bytes of the longest piece: the field's number in one byte, and its length in four.
const FIELD_HEADER_LEN: usize = 5;

/// A push service that listens, but does not serve before [`Server::run`].
pub struct Server {
    subscribers: Listener,
    admin: Listener,
    publisher: Arc<Publisher>,
    registry: Arc<Registry>,
    ecds: Option<Ecds>,
    deliveries: Arc<Deliveries>,
    clock: Arc<dyn Clock>,
    config: Arc<Config>,
}

/// What is served to Envoys themselves.
struct Ecds {
    listener: Listener,
    resources: Arc<Resources>,
}

/// Why the service does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Other machines could reach the address.
    #[error(
        "{0} is not a loopback address, and nothing asks those who connect who they are yet; \
         use 127.0.0.1 or [::1], or allow it with `--allow-non-loopback` in a network that you trust"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {error}; is another service there?")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listener failed.
    #[error("the server failed: {0}")]
    Transport(#[from] transport::Error),
}

struct Listener {
    incoming: Connections,
    addr: SocketAddr,
}

impl Server {
    /// Listens on both addresses and verifies what the store holds. Port 0 takes a free port. It needs a Tokio runtime
    /// around it.
    ///
    /// # Errors
    ///
    /// If an address is taken or not allowed, or the store cannot be read.
    pub fn bind(
        subscribers: SocketAddr,
        admin: SocketAddr,
        store: Store,
        verifier: Verifier,
        clock: Arc<dyn Clock>,
        config: Config,
    ) -> Result<Self, ServerError> {
        let subscribers = Listener::bind(subscribers, config.connections_max, &config)?;
        let admin = Listener::bind(admin, config.operator_connections_max, &config)?;
        let publisher = Arc::new(Publisher::restore(store, verifier, Arc::clone(&clock))?);
        let registry = Arc::new(Registry::default());
        Ok(Self {
            subscribers,
            admin,
            publisher,
            registry,
            ecds: None,
            deliveries: Arc::default(),
            clock,
            config: Arc::new(config),
        })
    }

    /// Listens on one more address, where Envoys fetch these configurations with the newest bundles.
    ///
    /// # Errors
    ///
    /// If the address is taken or not allowed.
    pub fn with_ecds(
        mut self,
        addr: SocketAddr,
        templates: Vec<Template>,
    ) -> Result<Self, ServerError> {
        self.ecds = Some(Ecds {
            listener: Listener::bind(addr, self.config.connections_max, &self.config)?,
            resources: Arc::new(Resources::new(templates)),
        });
        Ok(self)
    }

    /// Where filters connect to.
    #[must_use]
    pub fn subscribers_addr(&self) -> SocketAddr {
        self.subscribers.addr
    }

    /// Where operators and CI connect to.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.addr
    }

    /// Where Envoys fetch configurations from, if anywhere.
    #[must_use]
    pub fn ecds_addr(&self) -> Option<SocketAddr> {
        self.ecds.as_ref().map(|ecds| ecds.listener.addr)
    }

    /// Serves until `stop` is ready; then it tells the filters so, and ends when their streams have.
    ///
    /// # Errors
    ///
    /// If a listener fails.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let (stopper, stopping) = watch::channel(false);
        let (push, admin) = (self.push_router(stopping.clone()), self.admin_router());
        let ecds = self.ecds.as_ref();
        let ecds = ecds.map(|ecds| self.ecds_router(ecds, stopping.clone()));
        let grace = self.config.shutdown_grace;
        let incoming = self.ecds.map(|ecds| ecds.listener.incoming);
        let told_ecds = told(stopping.clone());
        let serve_ecds = async {
            match ecds.zip(incoming) {
                Some((ecds, incoming)) => {
                    ecds.serve_with_incoming_shutdown(incoming, told_ecds).await
                }
                None => Ok(()),
            }
        };
        let serve_all = async {
            tokio::try_join!(
                serve_ecds,
                push.serve_with_incoming_shutdown(
                    self.subscribers.incoming,
                    told(stopping.clone())
                ),
                admin.serve_with_incoming_shutdown(self.admin.incoming, told(stopping)),
            )
        };
        let stop_in_time = async {
            stop.await;
            info!("stopping");
            stopper.send_replace(true);
            time::sleep(grace).await;
        };
        tokio::select! {
            served = serve_all => { served?; }
            () = stop_in_time => warn!("some connections did not end within {grace:?} and are cut"),
        }
        Ok(())
    }

    fn push_router(&self, stopping: watch::Receiver<bool>) -> Router {
        let subscriptions = Subscriptions {
            publisher: Arc::clone(&self.publisher),
            registry: Arc::clone(&self.registry),
            clock: Arc::clone(&self.clock),
            config: Arc::clone(&self.config),
            seats: Arc::new(Semaphore::new(self.config.subscribers_max)),
            stopping,
        };
        let service = PushServiceServer::new(subscriptions)
            .max_decoding_message_size(SUBSCRIBER_MESSAGE_LEN_MAX);
        self.transport().add_service(service)
    }

    fn ecds_router(&self, ecds: &Ecds, stopping: watch::Receiver<bool>) -> Router {
        let discovery = Discovery {
            publisher: Arc::clone(&self.publisher),
            resources: Arc::clone(&ecds.resources),
            deliveries: Arc::clone(&self.deliveries),
            clock: Arc::clone(&self.clock),
            config: Arc::clone(&self.config),
            seats: Arc::new(Semaphore::new(self.config.subscribers_max)),
            transfers: Arc::new(Semaphore::new(self.config.ecds_transfers_max)),
            stopping,
        };
        let service = ExtensionConfigDiscoveryServiceServer::new(discovery)
            .max_decoding_message_size(REQUEST_LEN_MAX);
        self.transport().add_service(service)
    }

    fn admin_router(&self) -> Router {
        let admin = Admin {
            publisher: Arc::clone(&self.publisher),
            registry: Arc::clone(&self.registry),
            deliveries: Arc::clone(&self.deliveries),
            clock: Arc::clone(&self.clock),
            config: Arc::clone(&self.config),
            desks: Semaphore::new(self.config.publications_max),
        };
        let service = AdminServiceServer::new(admin)
            .max_decoding_message_size(PIECE_LEN_MAX + FIELD_HEADER_LEN);
        self.transport().add_service(service)
    }

    /// The probes find peers that went away without a word, so that `status` does not list them.
    fn transport(&self) -> transport::Server {
        transport::Server::builder()
            .max_concurrent_streams(self.config.streams_per_connection_max)
            .http2_keepalive_interval(Some(self.config.keepalive_interval))
            .http2_keepalive_timeout(Some(self.config.keepalive_timeout))
    }
}

impl Listener {
    fn bind(
        addr: SocketAddr,
        connections_max: usize,
        config: &Config,
    ) -> Result<Self, ServerError> {
        if !addr.ip().is_loopback() && !config.allow_non_loopback {
            return Err(ServerError::NotLoopback(addr));
        }
        let bind_error = |error| ServerError::Bind { addr, error };
        let incoming = Connections::listen(addr, connections_max).map_err(bind_error)?;
        let addr = incoming.local_addr().map_err(bind_error)?;
        Ok(Self { incoming, addr })
    }
}

async fn told(mut stopping: watch::Receiver<bool>) {
    // An error means that nobody is left to tell, which is a stop as well.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
