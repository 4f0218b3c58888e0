//! A pusher that sends whatever it is told, to see what filters refuse.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use riskgate_engine::bundle::Bundle;
use riskgate_push_protocol::{
    BundleId, Digest, VmId,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
    v1::{
        BundleChunk, BundleStart, PusherMessage, SubscriberMessage,
        proto::{
            self,
            push_service_server::{PushService, PushServiceServer},
        },
    },
};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{mpsc as channel, oneshot},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Response, Status, Streaming, transport::Server};

/// Filters answer at once, or never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than one bundle in the chunks that may be under way without credit.
const QUEUED_MESSAGES: usize = 4 * (CHUNKS_IN_FLIGHT_MAX + 1);

/// Something that a VM said.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which VM, by its hello.
    pub vm: VmId,
    /// What it said.
    pub message: SubscriberMessage,
}

type Subscriber = channel::Sender<Result<proto::PusherMessage, Status>>;

/// A server of the push protocol without a conscience.
pub struct RoguePusher {
    address: SocketAddr,
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
    reports: Receiver<Report>,
    _ends_when_dropped: oneshot::Sender<()>,
}

impl RoguePusher {
    /// Starts it on a free port.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("listen as the rogue pusher")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (report, reports) = mpsc::channel();
        let subscribers = Arc::default();
        let service = Service {
            subscribers: Arc::clone(&subscribers),
            report,
        };
        let (end, ended) = oneshot::channel();
        thread::spawn(move || serve(listener, service, ended));
        Ok(RoguePusher {
            address,
            subscribers,
            reports,
            _ends_when_dropped: end,
        })
    }

    /// Where filters find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends these bytes to every VM that is there, under the name that their manifest states.
    pub fn offer(&self, bundle: &[u8]) -> Result<BundleId> {
        let id = id_of(bundle)?;
        let messages = messages(id, bundle)?;
        for subscriber in lock(&self.subscribers).iter() {
            for message in &messages {
                let sent = subscriber.try_send(Ok(message.clone().into()));
                // One that has gone does not listen; one that does not read is a fault.
                ensure!(
                    !matches!(sent, Err(channel::error::TrySendError::Full(_))),
                    "a subscriber does not read"
                );
            }
        }
        Ok(id)
    }

    /// Waits until `vms` different VMs have said something that `wanted` takes, and returns what it made of it.
    pub fn wait_for<T>(
        &self,
        vms: usize,
        what: &str,
        mut wanted: impl FnMut(&SubscriberMessage) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut said = Vec::new();
        while said.len() < vms {
            let report = self.reports.recv_timeout(PATIENCE);
            let report =
                report.with_context(|| format!("{} of {vms} VMs sent {what}", said.len()))?;
            let is_new = said.iter().all(|(vm, _)| *vm != report.vm);
            if let Some(value) = wanted(&report.message).filter(|_| is_new) {
                said.push((report.vm, value));
            }
        }
        Ok(said.into_iter().map(|(_, value)| value).collect())
    }
}

fn id_of(bundle: &[u8]) -> Result<BundleId> {
    let bundle = Bundle::parse(bundle).context("not even the structure of a bundle")?;
    Ok(BundleId {
        revision: bundle.manifest().revision,
        digest: Digest(bundle.digest().0),
    })
}

fn messages(id: BundleId, bundle: &[u8]) -> Result<Vec<PusherMessage>> {
    let total_len = u32::try_from(bundle.len())?;
    let mut messages = vec![PusherMessage::Start(BundleStart {
        bundle: id,
        total_len,
    })];
    let mut offset = 0;
    for data in bundle.chunks(CHUNK_LEN_MAX) {
        messages.push(PusherMessage::Chunk(BundleChunk {
            digest: id.digest,
            offset,
            data: data.to_vec().into(),
        }));
        offset += u32::try_from(data.len())?;
    }
    ensure!(
        messages.len() <= 1 + CHUNKS_IN_FLIGHT_MAX,
        "this bundle needs credit, which the rogue pusher does not wait for"
    );
    Ok(messages)
}

fn serve(
    listener: std::net::TcpListener,
    service: Service,
    ended: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let incoming = TcpListenerStream::new(TcpListener::from_std(listener)?);
        let server = Server::builder()
            .add_service(PushServiceServer::new(service))
            .serve_with_incoming(incoming);
        tokio::select! {
            served = server => Ok(served?),
            _ = ended => Ok(()),
        }
    })
}

struct Service {
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
    report: Sender<Report>,
}

#[tonic::async_trait]
impl PushService for Service {
    type SubscribeStream = ReceiverStream<Result<proto::PusherMessage, Status>>;

    async fn subscribe(
        &self,
        request: tonic::Request<Streaming<proto::SubscriberMessage>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (subscriber, messages) = channel::channel(QUEUED_MESSAGES);
        lock(&self.subscribers).push(subscriber);
        tokio::spawn(listen(request.into_inner(), self.report.clone()));
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

/// Passes on what one VM says until its stream ends, or until it says something that is not of the protocol.
async fn listen(mut stream: Streaming<proto::SubscriberMessage>, reports: Sender<Report>) {
    let mut vm = None;
    while let Ok(Some(message)) = stream.message().await {
        let Ok(message) = SubscriberMessage::try_from(message) else {
            return;
        };
        if let SubscriberMessage::Hello(hello) = &message {
            vm = Some(hello.vm);
        }
        let report = vm.map(|vm| Report { vm, message });
        if report.is_none_or(|report| reports.send(report).is_err()) {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
