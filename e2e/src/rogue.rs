//! A pusher that sends whatever it is told, to see what filters refuse.

use std::{
    collections::HashSet,
    iter,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use riskgate_engine::bundle::Bundle;
use riskgate_push_protocol::{
    BundleId, Digest, Offer, PusherMessage, SectionChunk, SectionHash, SubscriberMessage, VmReport,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
    proto::{
        self,
        push_service_server::{PushService, PushServiceServer},
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
const QUEUED_MESSAGES: usize = 32 * (CHUNKS_IN_FLIGHT_MAX + 1);

type Subscriber = channel::Sender<Result<proto::PusherMessage, Status>>;

/// A server of the push protocol without a conscience.
pub struct RoguePusher {
    address: SocketAddr,
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
    /// Of one VM each.
    reports: Receiver<VmReport>,
    offers: AtomicU32,
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
            offers: AtomicU32::new(0),
            _ends_when_dropped: end,
        })
    }

    /// Where filters find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends these bytes to every proxy that is there, under the name that their manifest states.
    pub fn offer(&self, bundle: &[u8]) -> Result<BundleId> {
        let id = id_of(bundle)?;
        let number = self.offers.fetch_add(1, Ordering::Relaxed) + 1;
        let (offer, chunks) = transfer(number, id, bundle)?;
        ensure!(
            chunks.len() < QUEUED_MESSAGES,
            "this bundle needs credit, which the rogue pusher does not wait for"
        );
        let chunks = chunks.into_iter().map(PusherMessage::Chunk);
        let messages: Vec<_> = iter::once(PusherMessage::Offer(offer))
            .chain(chunks)
            .collect();
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

    /// Sends every proxy that is there what `hostile` makes of an offer of these bytes, as far as it is taken.
    pub fn offer_with(
        &self,
        bundle: &[u8],
        hostile: impl FnOnce(Offer, Vec<SectionChunk>) -> Vec<proto::PusherMessage>,
    ) -> Result<BundleId> {
        let id = id_of(bundle)?;
        let number = self.offers.fetch_add(1, Ordering::Relaxed) + 1;
        let (offer, chunks) = transfer(number, id, bundle)?;
        let messages = hostile(offer, chunks);
        for subscriber in lock(&self.subscribers).iter() {
            for message in &messages {
                // A stream that ended takes no more of it.
                let _ = subscriber.try_send(Ok(message.clone()));
            }
        }
        Ok(id)
    }

    /// How many streams there ever were.
    pub fn streams(&self) -> usize {
        lock(&self.subscribers).len()
    }

    /// Waits until something was reported of `vms` different VMs that `wanted` takes, and returns what it made of it.
    pub fn wait_for<T>(
        &self,
        vms: usize,
        what: &str,
        mut wanted: impl FnMut(&VmReport) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut said = Vec::new();
        while said.len() < vms {
            let report = self.reports.recv_timeout(PATIENCE);
            let report =
                report.with_context(|| format!("{} of {vms} VMs sent {what}", said.len()))?;
            let is_new = said.iter().all(|(vm, _)| *vm != report.vm);
            if let Some(value) = wanted(&report).filter(|_| is_new) {
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

/// An offer, and all sections that can travel.
fn transfer(number: u32, id: BundleId, bundle: &[u8]) -> Result<(Offer, Vec<SectionChunk>)> {
    let parsed = Bundle::parse(bundle).context("not even the structure of a bundle")?;
    let (mut sent, mut chunks) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for (place, section) in (0..).zip(parsed.sections()) {
        let bytes = section.bytes.filter(|bytes| !bytes.is_empty());
        let Some(bytes) = bytes.filter(|_| !section.flags.is_detached()) else {
            continue;
        };
        if !known.insert(section.hash) {
            continue;
        }
        sent.push(place);
        let mut offset = 0;
        for data in bytes.chunks(CHUNK_LEN_MAX) {
            chunks.push(SectionChunk {
                section: SectionHash(section.hash),
                offset,
                data: data.to_vec().into(),
            });
            offset += u32::try_from(data.len())?;
        }
    }
    let offer = Offer {
        number,
        bundle: id,
        head: parsed.head().to_bytes().into(),
        sent,
    };
    Ok((offer, chunks))
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
    report: Sender<VmReport>,
}

#[tonic::async_trait]
impl PushService for Service {
    type SubscribeStream = ReceiverStream<Result<proto::PusherMessage, Status>>;

    async fn subscribe(
        &self,
        request: tonic::Request<Streaming<proto::SubscriberMessage>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (subscriber, messages) = channel::channel(QUEUED_MESSAGES);
        lock(&self.subscribers).push(subscriber.clone());
        tokio::spawn(listen(
            request.into_inner(),
            subscriber,
            self.report.clone(),
        ));
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

/// Passes on what a proxy says of its VMs until its stream ends, or until it says something that is not of the protocol.
async fn listen(
    mut stream: Streaming<proto::SubscriberMessage>,
    subscriber: Subscriber,
    reports: Sender<VmReport>,
) {
    while let Ok(Some(message)) = stream.message().await {
        let report = match SubscriberMessage::try_from(message) {
            Ok(SubscriberMessage::Hello(hello)) => hello.report,
            Ok(SubscriberMessage::Report(report)) => {
                let taken = PusherMessage::ReportTaken;
                if subscriber.send(Ok(taken.into())).await.is_err() {
                    return;
                }
                report
            }
            Ok(SubscriberMessage::ChunkTaken(_) | SubscriberMessage::Holdings(_)) => continue,
            Err(_) => return,
        };
        for vm in report.vms {
            if reports.send(vm).is_err() {
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
