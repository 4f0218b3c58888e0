//! A pusher on free loopback ports, and a filter's end of a stream.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use riskgate_push_protocol::{
    BundleId, InstanceId, Status as PusherStatus, VmId,
    v1::{
        BundleStart, ChunkTaken, Hello, PusherMessage, SubscriberMessage,
        proto::{self, push_service_client::PushServiceClient},
    },
};
use riskgate_pusher::{
    client::{AdminClient, ClientError},
    clock::Clock,
    config::Config,
    server::{Server, ServerError},
    store::Store,
    verify::Verifier,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Endpoint};

use super::{NOW_S, bundles};

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
    subscribers: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServerError>>,
}

impl Pusher {
    /// Trusts key 1.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[1], Config::default()).await
    }

    pub(crate) async fn start_with(folder: &Path, keys: &[u8], config: Config) -> Self {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| bundles::key(*key).verifying_key().to_bytes())
            .collect();
        let verifier = Verifier::new(&keys, 1).unwrap();
        let store = Store::open(&folder.join("store.redb")).unwrap();
        let clock = Arc::new(TestClock(AtomicU64::new(NOW_S * 1000)));
        let loopback = "127.0.0.1:0".parse().unwrap();
        let server =
            Server::bind(loopback, loopback, store, verifier, clock.clone(), config).unwrap();
        let (admin, subscribers) = (
            server.admin_addr().to_string(),
            server.subscribers_addr().to_string(),
        );
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async { drop(stopped.await) }));
        let (admin_addr, admin) = (admin.clone(), AdminClient::connect(&admin).await.unwrap());
        Self {
            clock,
            admin,
            admin_addr,
            subscribers,
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
            loop {
                let status = self.status().await;
                if wanted(&status) {
                    return status;
                }
                time::sleep(Duration::from_millis(5)).await;
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
        // Smaller than what goes without credit: who does not read stalls the pusher's end.
        let endpoint = Endpoint::from_shared(format!("http://{}", self.subscribers))
            .unwrap()
            .initial_stream_window_size(64 << 10);
        let mut client = PushServiceClient::new(endpoint.connect().await.unwrap());
        let (outgoing, messages) = mpsc::unbounded_channel();
        let incoming = client
            .subscribe(UnboundedReceiverStream::new(messages))
            .await?
            .into_inner();
        Ok(Subscriber { outgoing, incoming })
    }

    pub(crate) async fn subscribe(&self, hello: Hello) -> Subscriber {
        let subscriber = self.open_stream().await;
        subscriber.send(SubscriberMessage::Hello(hello));
        subscriber
    }
}

/// A good first message of VM `number`.
pub(crate) fn hello(number: u8) -> Hello {
    Hello {
        node: "sidecar-1".to_owned(),
        instance: InstanceId([0x11; 16]),
        vm: VmId([number; 16]),
        serves_requests: false,
        ruleset: "storefront".to_owned(),
        audience: None,
        held: None,
    }
}

/// A filter's end of a stream.
pub(crate) struct Subscriber {
    outgoing: mpsc::UnboundedSender<proto::SubscriberMessage>,
    incoming: Streaming<proto::PusherMessage>,
}

impl Subscriber {
    pub(crate) fn send(&self, message: SubscriberMessage) {
        self.send_raw(message.into());
    }

    pub(crate) fn send_raw(&self, message: proto::SubscriberMessage) {
        // The pusher may have closed the stream; what it said is for `refusal` to tell.
        drop(self.outgoing.send(message));
    }

    pub(crate) async fn next(&mut self) -> PusherMessage {
        let message = time::timeout(PATIENCE, self.incoming.message())
            .await
            .expect("no message came");
        message
            .unwrap()
            .expect("the stream ended")
            .try_into()
            .unwrap()
    }

    /// Nothing comes for a while. On a slow machine this may miss a message, but it never fails without one.
    pub(crate) async fn assert_quiet(&mut self) {
        let message = time::timeout(Duration::from_millis(200), self.incoming.message()).await;
        assert!(message.is_err(), "a message came: {message:?}");
    }

    /// How the pusher closes the stream.
    pub(crate) async fn refusal(mut self) -> (Code, String) {
        let closed = async {
            loop {
                match self.incoming.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the stream ended without a status"),
                    Err(status) => return (status.code(), status.message().to_owned()),
                }
            }
        };
        time::timeout(PATIENCE, closed)
            .await
            .expect("the stream stays open")
    }

    /// The end of the client's side of the stream.
    pub(crate) fn close(self) {}

    pub(crate) async fn start(&mut self) -> BundleStart {
        match self.next().await {
            PusherMessage::Start(start) => start,
            PusherMessage::Chunk(chunk) => {
                panic!("a chunk instead of a start: {} bytes", chunk.data.len())
            }
        }
    }

    /// One chunk, appended to `file`; its credit is not given back.
    pub(crate) async fn chunk(&mut self, start: BundleStart, file: &mut Vec<u8>) {
        match self.next().await {
            PusherMessage::Chunk(chunk) => {
                assert_eq!(
                    (chunk.digest, chunk.offset as usize),
                    (start.bundle.digest, file.len())
                );
                file.extend_from_slice(&chunk.data);
            }
            PusherMessage::Start(start) => panic!("a start instead of a chunk: {start:?}"),
        }
    }

    pub(crate) fn take(&self, start: BundleStart, received: usize) {
        let received = u32::try_from(received).unwrap();
        self.send(SubscriberMessage::ChunkTaken(ChunkTaken {
            digest: start.bundle.digest,
            received,
        }));
    }

    /// A whole bundle, every chunk taken at once.
    pub(crate) async fn receive(&mut self) -> (BundleStart, Vec<u8>) {
        let start = self.start().await;
        let mut file = Vec::new();
        while file.len() < start.total_len as usize {
            self.chunk(start, &mut file).await;
            self.take(start, file.len());
        }
        (start, file)
    }

    /// A whole bundle, and its ACK.
    pub(crate) async fn accept(&mut self) -> BundleId {
        let (start, _) = self.receive().await;
        self.send(SubscriberMessage::Ack(start.bundle));
        start.bundle
    }
}
