//! A filter's end of a stream: the VM that holds it for its instance.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use riskgate_engine::bundle::Head;
use riskgate_push_protocol::{
    BundleId, ChunkTaken, Hello, Holdings, InstanceId, Nack, Offer, PusherMessage, Report,
    SectionChunk, SectionHash, SubscriberMessage, VmAnswer, VmId, VmReport,
    proto::{self, push_service_client::PushServiceClient},
};
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};

use super::service::PATIENCE;

/// A good first message of the only VM of instance `number`.
pub(crate) fn hello(number: u8) -> Hello {
    let vm = VmId([number; 16]);
    Hello {
        node: format!("sidecar-{number}"),
        instance: InstanceId([number; 16]),
        vm,
        epoch: 1,
        ruleset: "storefront".to_owned(),
        audience: None,
        holdings: Holdings::default(),
        report: Report {
            vms: vec![vm_report(vm, None, VmAnswer::Pending)],
            offer: 0,
        },
    }
}

/// The same, of an instance whose VM serves this bundle.
pub(crate) fn hello_holding(number: u8, held: BundleId) -> Hello {
    let mut hello = hello(number);
    hello.holdings.held = Some(held);
    hello.report.vms = vec![vm_report(hello.vm, Some(held), VmAnswer::Ack(held))];
    hello
}

pub(crate) fn vm_report(vm: VmId, held: Option<BundleId>, answer: VmAnswer) -> VmReport {
    VmReport {
        vm,
        serves_requests: false,
        held,
        answer,
    }
}

pub(crate) fn nack(bundle: BundleId, permanent: bool) -> VmAnswer {
    VmAnswer::Nack(Nack {
        bundle,
        reason: "too-new-engine".to_owned(),
        detail: "update riskgate here first".to_owned(),
        permanent,
    })
}

/// How many bytes follow an offer.
pub(crate) fn len_of(offer: &Offer) -> usize {
    let head = Head::parse(&offer.head).unwrap();
    let len = |place: &u32| head.entries()[*place as usize].length as usize;
    offer.sent.iter().map(len).sum()
}

/// A filter's end of a stream.
pub(crate) struct Subscriber {
    outgoing: mpsc::UnboundedSender<proto::SubscriberMessage>,
    incoming: Streaming<proto::PusherMessage>,
    /// Messages that came while another one was waited for.
    waiting: VecDeque<PusherMessage>,
    pub(crate) vm: VmId,
    /// The number of the last offer.
    pub(crate) offer: u32,
    /// What serves in the VM.
    pub(crate) held: Option<BundleId>,
    /// Sections that are held whole.
    pub(crate) sections: HashMap<SectionHash, Bytes>,
}

impl Subscriber {
    pub(crate) async fn open(address: &str) -> Result<Self, Status> {
        // Smaller than what goes without credit: who does not read stalls the pusher's end.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .initial_stream_window_size(64 << 10);
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        Self::open_on(channel).await
    }

    pub(crate) async fn open_on(channel: Channel) -> Result<Self, Status> {
        let (outgoing, messages) = mpsc::unbounded_channel();
        let incoming = PushServiceClient::new(channel)
            .subscribe(UnboundedReceiverStream::new(messages))
            .await?
            .into_inner();
        Ok(Self {
            outgoing,
            incoming,
            waiting: VecDeque::new(),
            vm: VmId([0; 16]),
            offer: 0,
            held: None,
            sections: HashMap::new(),
        })
    }

    pub(crate) fn greet(&mut self, hello: Hello) {
        self.vm = hello.vm;
        self.held = hello.holdings.held;
        self.send(SubscriberMessage::Hello(hello));
    }

    pub(crate) fn send(&self, message: SubscriberMessage) {
        self.send_raw(message.into());
    }

    pub(crate) fn send_raw(&self, message: proto::SubscriberMessage) {
        // The pusher may have closed the stream; what it said is for `refusal` to tell.
        drop(self.outgoing.send(message));
    }

    /// Tells what the VM says now, and waits until that was taken.
    pub(crate) async fn report(&mut self, answer: VmAnswer) {
        let vms = vec![vm_report(self.vm, self.held, answer)];
        self.report_all(vms).await;
    }

    pub(crate) async fn report_all(&mut self, vms: Vec<VmReport>) {
        let offer = self.offer;
        self.send(SubscriberMessage::Report(Report { vms, offer }));
        loop {
            match self.receive_one().await {
                PusherMessage::ReportTaken => return,
                other => self.waiting.push_back(other),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> PusherMessage {
        match self.waiting.pop_front() {
            Some(message) => message,
            None => self.receive_one().await,
        }
    }

    /// None when the stream has ended, for whatever reason.
    pub(crate) async fn try_next(&mut self) -> Option<PusherMessage> {
        if let Some(message) = self.waiting.pop_front() {
            return Some(message);
        }
        let message = self.incoming.message().await.ok().flatten()?;
        Some(message.try_into().unwrap())
    }

    async fn receive_one(&mut self) -> PusherMessage {
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
        assert_eq!(self.waiting, []);
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

    pub(crate) async fn offer(&mut self) -> Offer {
        match self.next().await {
            PusherMessage::Offer(offer) => {
                assert_eq!(offer.number, self.offer + 1);
                self.offer = offer.number;
                offer
            }
            other => panic!("no offer: {other:?}"),
        }
    }

    pub(crate) async fn chunk(&mut self) -> SectionChunk {
        match self.next().await {
            PusherMessage::Chunk(chunk) => chunk,
            other => panic!("no chunk: {other:?}"),
        }
    }

    pub(crate) fn take(&self, chunk: &SectionChunk) {
        let end = chunk.offset as usize + chunk.data.len();
        self.send(SubscriberMessage::ChunkTaken(ChunkTaken {
            offer: self.offer,
            section: chunk.section,
            received: u32::try_from(end).unwrap(),
        }));
    }

    /// A whole bundle, every chunk taken at once.
    pub(crate) async fn receive(&mut self) -> Offer {
        let offer = self.offer().await;
        self.receive_sections(&offer).await;
        offer
    }

    /// The chunks that follow an offer, every one taken at once.
    pub(crate) async fn receive_sections(&mut self, offer: &Offer) {
        let head = Head::parse(&offer.head).unwrap();
        for place in &offer.sent {
            let entry = head.entries()[*place as usize];
            let mut section = Vec::new();
            while section.len() < entry.length as usize {
                let chunk = self.chunk().await;
                assert_eq!(
                    (chunk.section.0, chunk.offset as usize),
                    (entry.hash, section.len())
                );
                section.extend_from_slice(&chunk.data);
                self.take(&chunk);
            }
            self.sections
                .insert(SectionHash(entry.hash), Bytes::from(section));
        }
    }

    /// A whole bundle, and its ACK.
    pub(crate) async fn accept(&mut self) -> BundleId {
        let offer = self.receive().await;
        self.held = Some(offer.bundle);
        self.report(VmAnswer::Ack(offer.bundle)).await;
        offer.bundle
    }

    /// The file that an offer and the sections that are held make.
    pub(crate) fn file(&self, offer: &Offer) -> Vec<u8> {
        let head = Head::parse(&offer.head).unwrap();
        let mut file = offer.head.to_vec();
        for entry in head.entries() {
            if !entry.flags.is_detached() {
                file.resize(file.len().next_multiple_of(64), 0);
                file.extend_from_slice(&self.sections[&SectionHash(entry.hash)]);
            }
        }
        file.resize(file.len().next_multiple_of(64), 0);
        file
    }
}
