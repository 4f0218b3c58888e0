//! A pusher on free loopback ports.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use riskgate_push_protocol::{BundleId, Hello, Status as PusherStatus};
use riskgate_pusher::{
    client::{AdminClient, ClientError},
    clock::Clock,
    config::Config,
    ecds::Template,
    server::{Server, ServerError},
    store::Store,
    verify::Verifier,
};
use tokio::{sync::oneshot, task::JoinHandle, time};
use tonic::Status;

use super::{NOW_S, bundles, subscriber::Subscriber};

/// Long enough for a slow machine; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Stands still until it is set.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn set_s(&self, now_s: u64) {
        self.0.store(now_s * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A running pusher that trusts some keys.
pub(crate) struct Pusher {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) admin: AdminClient,
    pub(crate) admin_addr: String,
    pub(crate) subscribers: String,
    /// Where Envoys fetch configurations from.
    pub(crate) ecds: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServerError>>,
}

impl Pusher {
    /// Trusts key 1.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[1], Config::default()).await
    }

    pub(crate) async fn start_with(folder: &Path, keys: &[u8], config: Config) -> Self {
        Self::start_at("127.0.0.1:0", folder, keys, config).await
    }

    /// Its subscribers connect to that address.
    pub(crate) async fn start_at(
        subscribers: &str,
        folder: &Path,
        keys: &[u8],
        config: Config,
    ) -> Self {
        let (server, clock) = bind(subscribers, folder, keys, config, NOW_S);
        Self::run(server, clock).await
    }

    /// Trusts key 1; its clock stands at that time.
    pub(crate) async fn start_when(folder: &Path, now_s: u64) -> Self {
        let (server, clock) = bind("127.0.0.1:0", folder, &[1], Config::default(), now_s);
        Self::run(server, clock).await
    }

    /// Serves these configurations to Envoys; trusts key 1.
    pub(crate) async fn start_with_ecds(
        folder: &Path,
        config: Config,
        templates: Vec<Template>,
    ) -> Self {
        let (server, clock) = bind("127.0.0.1:0", folder, &[1], config, NOW_S);
        let server = server.with_ecds("127.0.0.1:0".parse().unwrap(), templates);
        Self::run(server.unwrap(), clock).await
    }

    async fn run(server: Server, clock: Arc<TestClock>) -> Self {
        let (admin, subscribers) = (
            server.admin_addr().to_string(),
            server.subscribers_addr().to_string(),
        );
        let ecds = server.ecds_addr();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async { drop(stopped.await) }));
        let (admin_addr, admin) = (admin.clone(), AdminClient::connect(&admin).await.unwrap());
        Self {
            clock,
            admin,
            admin_addr,
            subscribers,
            ecds,
            stop,
            server,
        }
    }

    pub(crate) async fn stop(self) {
        drop(self.admin);
        drop(self.stop);
        time::timeout(PATIENCE, self.server)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    /// What the pusher says to a bundle: nothing, or the word and the sentence of its refusal.
    pub(crate) async fn refusal(&mut self, bundle: &[u8]) -> Option<String> {
        match self.admin.publish(bundle).await {
            Ok(_) => None,
            Err(ClientError::Refused(refusal)) => Some(refusal),
            Err(error) => panic!("neither accepted nor refused: {error}"),
        }
    }

    pub(crate) async fn publish(&mut self, bundle: &[u8]) -> BundleId {
        self.admin.publish(bundle).await.unwrap().bundle
    }

    pub(crate) async fn status(&mut self) -> PusherStatus {
        self.admin.status(None).await.unwrap()
    }

    /// The status, once it is as wanted; the messages of a stream take their time.
    pub(crate) async fn status_when(
        &mut self,
        wanted: impl Fn(&PusherStatus) -> bool,
    ) -> PusherStatus {
        let poll = async {
            let mut pause = Duration::from_millis(5);
            loop {
                let status = self.status().await;
                if wanted(&status) {
                    return status;
                }
                time::sleep(pause).await;
                pause = Duration::from_millis(100).min(pause * 2);
            }
        };
        time::timeout(PATIENCE, poll)
            .await
            .expect("the status never became as wanted")
    }

    pub(crate) async fn open_stream(&self) -> Subscriber {
        self.try_open_stream().await.unwrap()
    }

    pub(crate) async fn try_open_stream(&self) -> Result<Subscriber, Status> {
        Subscriber::open(&self.subscribers).await
    }

    pub(crate) async fn subscribe(&self, hello: Hello) -> Subscriber {
        let mut subscriber = self.open_stream().await;
        subscriber.greet(hello);
        subscriber
    }
}

fn bind(
    subscribers: &str,
    folder: &Path,
    keys: &[u8],
    config: Config,
    now_s: u64,
) -> (Server, Arc<TestClock>) {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| bundles::key(*key).verifying_key().to_bytes())
        .collect();
    let verifier = Verifier::new(&keys, 1).unwrap();
    let store = Store::open(&folder.join("store.redb")).unwrap();
    let clock = Arc::new(TestClock(AtomicU64::new(now_s * 1000)));
    let (subscribers, admin) = (subscribers.parse().unwrap(), "127.0.0.1:0".parse().unwrap());
    let server = Server::bind(subscribers, admin, store, verifier, clock.clone(), config);
    (server.unwrap(), clock)
}

/// The files in the store of a pusher that has stopped.
pub(crate) fn stored_files(folder: &Path) -> Vec<Vec<u8>> {
    let bundles = Store::open(&folder.join("store.redb"))
        .unwrap()
        .bundles()
        .unwrap();
    bundles.into_iter().map(|bundle| bundle.file).collect()
}
