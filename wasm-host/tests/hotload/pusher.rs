//! A push service that keeps the protocol: one stream for an instance, leases, deltas by section, credit.

use crate::bundles::{Sections, id_of};
use riskgate_engine::bundle::Bundle;
use riskgate_push_protocol::limits::CHUNKS_IN_FLIGHT_MAX;
use riskgate_push_protocol::{
    BundleId, ChunkTaken, Hello, Holdings, Offer, PusherMessage, Report, SectionChunk, SectionHash,
    SubscriberMessage, VmAnswer, VmReport,
};
use riskgate_wasm_host::{CallId, GrpcReply, GrpcService, GrpcStream, Replies};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Short, so that a bundle has many.
const CHUNK_LEN: usize = 256;
/// What was refused for now is offered again after this.
const AGAIN_MS: u64 = 5_000;
/// Who has not answered an offer for so long is deaf.
const DEADLINE_MS: u64 = 60_000;
/// gRPC statuses.
const DEADLINE_EXCEEDED: u32 = 4;
const ABORTED: u32 = 10;
const UNAVAILABLE: u32 = 14;

#[derive(Default)]
pub(crate) struct Pusher {
    /// The newest bundle of each ruleset.
    newest: BTreeMap<String, Arc<[u8]>>,
    streams: BTreeMap<CallId, Stream>,
    /// What is to be sent.
    outbox: Vec<(CallId, GrpcReply)>,
    /// In the order they came.
    pub(crate) hellos: Vec<(CallId, Hello)>,
    /// How many bytes of sections were sent.
    pub(crate) sent_bytes: usize,
    /// It takes no stream.
    pub(crate) is_away: bool,
    /// It knows nothing of leases, as two push services that know nothing of each other.
    pub(crate) is_lenient: bool,
    /// It offers what it has to everybody, whatever they hold.
    pub(crate) is_careless: bool,
}

struct Stream {
    hello: Hello,
    held: Option<BundleId>,
    sections: BTreeSet<SectionHash>,
    /// The number of the last offer.
    offer: u32,
    /// What it was of, until that is answered.
    offered: Option<BundleId>,
    unsent: VecDeque<SectionChunk>,
    in_flight: usize,
    again_ms: Option<u64>,
    /// Since the offer, or the last credit for it.
    unanswered_ms: u64,
    reported: Vec<VmReport>,
}

impl Pusher {
    /// A newer bundle, offered on every stream of its ruleset.
    pub(crate) fn publish(&mut self, bundle: Arc<[u8]>) {
        let ruleset = Bundle::parse(&bundle)
            .unwrap()
            .manifest()
            .ruleset
            .to_owned();
        self.newest.insert(ruleset, bundle);
        for id in self.open() {
            self.offer(id);
        }
    }

    pub(crate) fn open(&self) -> Vec<CallId> {
        self.streams.keys().copied().collect()
    }

    /// What was said last of each VM.
    pub(crate) fn vms(&self) -> Vec<VmReport> {
        let all = self.streams.values();
        all.flat_map(|stream| stream.reported.clone()).collect()
    }

    /// It ends, and nobody can connect.
    pub(crate) fn leave(&mut self) {
        self.is_away = true;
        for id in self.open() {
            self.close(id, UNAVAILABLE);
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, ms: u64) {
        for id in self.open() {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            stream.unanswered_ms += ms;
            if stream.offered.is_some() && stream.unanswered_ms > DEADLINE_MS {
                self.close(id, DEADLINE_EXCEEDED);
                continue;
            }
            match stream.again_ms {
                Some(left_ms) if left_ms <= ms => {
                    stream.again_ms = None;
                    self.offer(id);
                }
                Some(left_ms) => stream.again_ms = Some(left_ms - ms),
                None => {}
            }
        }
    }

    /// What is to be sent now.
    pub(crate) fn take_outbox(&mut self) -> Vec<(CallId, GrpcReply)> {
        std::mem::take(&mut self.outbox)
    }

    fn close(&mut self, id: CallId, status: u32) {
        self.streams.remove(&id);
        let close = GrpcReply::Close(status, Vec::new());
        self.outbox.push((id, close));
    }

    fn send(&mut self, id: CallId, message: &PusherMessage) {
        let message = GrpcReply::Message(message.encode_to_vec());
        self.outbox.push((id, message));
    }

    fn on_hello(&mut self, id: CallId, hello: Hello) {
        self.hellos.push((id, hello.clone()));
        let topic = |hello: &Hello| (hello.instance, hello.ruleset.clone());
        let others = self.streams.iter();
        let same = others.filter(|(_, other)| topic(&other.hello) == topic(&hello));
        let same: Vec<(CallId, u64)> = same.map(|(id, other)| (*id, other.hello.epoch)).collect();
        if !self.is_lenient {
            if same.iter().any(|(_, epoch)| *epoch >= hello.epoch) {
                return self.close(id, ABORTED);
            }
            for (older, _) in same {
                self.close(older, ABORTED);
            }
        }
        let Holdings { held, sections } = hello.holdings.clone();
        let stream = Stream {
            held,
            sections: sections.into_iter().collect(),
            offer: 0,
            offered: None,
            unsent: VecDeque::new(),
            in_flight: 0,
            again_ms: None,
            unanswered_ms: 0,
            reported: hello.report.vms.clone(),
            hello,
        };
        let is_refused = self.is_refused(&stream);
        self.streams.insert(id, stream);
        if !is_refused {
            self.offer(id);
        }
    }

    /// Whether the holder has refused what is newest, for good.
    fn is_refused(&self, stream: &Stream) -> bool {
        let newest = self.newest.get(&stream.hello.ruleset);
        let newest = newest.map(|bundle| id_of(bundle));
        match own_answer(&stream.hello, &stream.reported) {
            VmAnswer::Nack(nack) => nack.permanent && Some(nack.bundle) == newest,
            VmAnswer::Ack(_) | VmAnswer::Pending => false,
        }
    }

    fn offer(&mut self, id: CallId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let Some(newest) = self.newest.get(&stream.hello.ruleset) else {
            return;
        };
        let bundle = id_of(newest);
        let has = |held: BundleId| held.revision > bundle.revision || held == bundle;
        if !self.is_careless && stream.held.is_some_and(has) {
            return;
        }
        stream.offer += 1;
        stream.offered = Some(bundle);
        stream.in_flight = 0;
        stream.again_ms = None;
        stream.unanswered_ms = 0;
        let sections = Sections::that_lack(newest, &stream.sections);
        stream.unsent = sections.chunks(CHUNK_LEN);
        let offer = Offer {
            number: stream.offer,
            bundle,
            head: Bundle::parse(newest).unwrap().head().to_bytes().into(),
            sent: sections.places(),
        };
        self.send(id, &PusherMessage::Offer(offer));
        self.send_chunks(id);
    }

    fn send_chunks(&mut self, id: CallId) {
        while let Some(stream) = self.streams.get_mut(&id)
            && stream.in_flight < CHUNKS_IN_FLIGHT_MAX
            && let Some(chunk) = stream.unsent.pop_front()
        {
            stream.in_flight += 1;
            self.sent_bytes += chunk.data.len();
            self.send(id, &PusherMessage::Chunk(chunk));
        }
    }

    fn on_taken(&mut self, id: CallId, taken: ChunkTaken) {
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.offer == taken.offer
            && stream.offered.is_some()
        {
            let left = stream.in_flight.checked_sub(1);
            stream.in_flight = left.expect("credit is given for what was sent");
            stream.unanswered_ms = 0;
            self.send_chunks(id);
        }
    }

    fn on_report(&mut self, id: CallId, report: Report) {
        self.send(id, &PusherMessage::ReportTaken);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.reported = report.vms;
        let Some(offered) = stream.offered.filter(|_| report.offer == stream.offer) else {
            return;
        };
        match own_answer(&stream.hello, &stream.reported) {
            VmAnswer::Ack(bundle) if bundle == offered => {
                stream.offered = None;
                stream.held = Some(bundle);
                let newest = &self.newest[&stream.hello.ruleset];
                stream.sections = Sections::all(newest).hashes();
            }
            VmAnswer::Nack(nack) if nack.bundle == offered => {
                stream.offered = None;
                stream.unsent.clear();
                stream.again_ms = (!nack.permanent).then_some(AGAIN_MS);
            }
            _ => {}
        }
    }

    fn on_holdings(&mut self, id: CallId, holdings: Holdings) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.held = holdings.held;
        stream.sections = holdings.sections.into_iter().collect();
        stream.offered = None;
        stream.unsent.clear();
        // At once would be right too, the first time.
        stream.again_ms = Some(AGAIN_MS);
    }
}

/// What the holder of a stream says of itself.
fn own_answer(hello: &Hello, reported: &[VmReport]) -> VmAnswer {
    let own = reported.iter().find(|vm| vm.vm == hello.vm);
    own.expect("the holder names itself").answer.clone()
}

impl GrpcService for Pusher {
    fn opened(&mut self, id: CallId, _stream: &GrpcStream, replies: &mut Replies) {
        if self.is_away {
            self.close(id, UNAVAILABLE);
        }
        self.flush(replies);
    }

    fn received(&mut self, id: CallId, message: &[u8], replies: &mut Replies) {
        if !self.is_away {
            match SubscriberMessage::decode(message).unwrap() {
                SubscriberMessage::Hello(hello) => self.on_hello(id, hello),
                SubscriberMessage::ChunkTaken(taken) => self.on_taken(id, taken),
                SubscriberMessage::Report(report) => self.on_report(id, report),
                SubscriberMessage::Holdings(holdings) => self.on_holdings(id, holdings),
            }
        }
        self.flush(replies);
    }

    fn cancelled(&mut self, id: CallId) {
        self.streams.remove(&id);
    }
}

impl Pusher {
    fn flush(&mut self, replies: &mut Replies) {
        for (id, reply) in self.take_outbox() {
            replies.send(id, reply);
        }
    }
}
