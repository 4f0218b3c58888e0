//! A filter with its proxy, and what tests do with both.

use crate::bundles::{EPOCH_S, PLAIN, id_of, public_key};
use crate::proxy::{Proxy, SharedData};
use riskgate_engine::bundle::{Bundle, Section};
use riskgate_filter_sdk::{Filter, Flow, Vm};
use riskgate_push_protocol::limits::CHUNKS_IN_FLIGHT_MAX;
use riskgate_push_protocol::{
    Hello, Nack, Offer, PusherMessage, Report, SectionChunk, SectionHash, SubscriberMessage,
    VmAnswer,
};

use std::rc::Rc;

/// Chunks of the tests are small, so that a bundle has several.
const CHUNK_LEN: usize = 100;

/// The longest wait for a stream, in ticks of 100 ms.
pub(crate) const WAIT_TICKS_MAX: usize = 300;

pub(crate) struct Driver {
    pub(crate) proxy: Proxy,
    vm: Vm,
    pub(crate) filter: Filter,
    /// The stream on which something was offered last, and the number of that offer.
    offered: (u32, u32),
}

impl Driver {
    /// A filter that was configured a minute after revision 1 was issued. `more` follows the required keys.
    pub(crate) fn new(more: &str) -> Driver {
        Driver::with_json(&config(more))
    }

    pub(crate) fn with_json(json: &str) -> Driver {
        let vm = Vm::default();
        let mut driver = Driver {
            proxy: Proxy::default(),
            filter: Filter::new(&vm),
            vm,
            offered: (u32::MAX, 0),
        };
        driver.set_time(EPOCH_S + 60);
        driver
            .proxy
            .properties
            .get_mut()
            .insert("source/address".into(), b"192.0.2.1:567".to_vec());
        driver.filter.on_configure(&driver.proxy, json.as_bytes());
        driver
    }

    /// The VM of that number in a process that others are in, too.
    pub(crate) fn of_process(shared: &Rc<SharedData>, number: u8, json: &str) -> Driver {
        let mut driver = Driver::with_json(json);
        driver.proxy.shared_data = Rc::clone(shared);
        driver.proxy.context.set(number.into());
        driver.proxy.random.set(number.wrapping_mul(37));
        driver
    }

    /// A filter that subscribes, with the stream open.
    pub(crate) fn subscribed(more: &str) -> Driver {
        let mut driver = Driver::new(&format!(r#","push":{{"cluster":"pusher"}}{more}"#));
        driver.connect();
        driver
    }

    /// Another filter of the same VM.
    pub(crate) fn another(&self, json: &str) -> Filter {
        let mut filter = Filter::new(&self.vm);
        filter.on_configure(&self.proxy, json.as_bytes());
        filter
    }

    /// What a proxy does with a changed configuration: a new root context comes, and then the old one goes.
    pub(crate) fn replace(&mut self, json: &str) {
        let new = self.another(json);
        self.filter.on_done(&self.proxy);
        self.filter = new;
        // Its own root context.
        let context = &self.proxy.context;
        context.set(context.get() + 1_000);
    }

    pub(crate) fn set_time(&self, now_s: u64) {
        self.proxy.now_ns.set(now_s * 1_000_000_000);
    }

    pub(crate) fn tick(&mut self) {
        self.proxy.shared_data.advance(100);
        self.tick_now();
        self.pump();
    }

    /// Ticks while no time passes, and is told of no message.
    pub(crate) fn tick_now(&mut self) {
        self.filter.on_tick(&self.proxy);
    }

    /// The tokens of the streams that it has open.
    pub(crate) fn open_streams(&self) -> Vec<u32> {
        let streams = self.proxy.streams.borrow();
        let open = streams
            .iter()
            .zip(0..)
            .filter(|(stream, _)| !stream.cancelled);
        open.map(|(_, token)| token).collect()
    }

    /// Ticks until another stream is open, and says how often.
    pub(crate) fn connect(&mut self) -> usize {
        let streams = self.proxy.streams.borrow().len();
        for ticks in 1..=WAIT_TICKS_MAX + 1 {
            self.tick();
            if self.proxy.streams.borrow().len() > streams {
                return ticks;
            }
        }
        panic!("no stream within {WAIT_TICKS_MAX} ticks: {}", self.log());
    }

    pub(crate) fn request(&mut self, path: &str, headers: &[(&str, &[u8])]) -> Flow {
        let pseudo: [(&str, &[u8]); 4] = [
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"shop.example"),
            (":path", path.as_bytes()),
        ];
        let all = pseudo.iter().chain(headers);
        *self.proxy.headers.get_mut() = all
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .collect();
        self.proxy.state.get_mut().clear();
        *self.proxy.reply.get_mut() = None;
        self.filter.on_request_headers(&self.proxy, false)
    }

    /// The status that a request to `path` is answered with; `None` when it goes on.
    pub(crate) fn status(&mut self, path: &str) -> Option<u16> {
        let flow = self.request(path, &[]);
        let status = self.proxy.reply.borrow().as_ref().map(|reply| reply.status);
        assert_eq!(flow == Flow::Answered, status.is_some());
        status
    }

    pub(crate) fn header(&self, name: &str) -> Vec<Vec<u8>> {
        let headers = self.proxy.headers.borrow();
        headers
            .iter()
            .filter(|(held, _)| held == name.as_bytes())
            .map(|(_, value)| value.clone())
            .collect()
    }

    pub(crate) fn state(&self, name: &str) -> Option<String> {
        self.proxy.state.borrow().get(name).cloned()
    }

    pub(crate) fn metric(&self, name: &str) -> i64 {
        let metrics = self.proxy.metrics.borrow();
        metrics
            .iter()
            .find(|(held, _)| *held == name)
            .map_or(-1, |(_, value)| *value)
    }

    pub(crate) fn log(&self) -> String {
        let log = self.proxy.log.borrow();
        log.iter()
            .map(|(level, line)| format!("{level:?}: {line}\n"))
            .collect()
    }

    /// The token of the stream that was opened last.
    pub(crate) fn token(&self) -> u32 {
        self.proxy.streams.borrow().len() as u32 - 1
    }

    /// What the filter has said on its latest stream since it was asked last. Its reports are taken.
    pub(crate) fn said(&mut self) -> Vec<SubscriberMessage> {
        let mut said = Vec::new();
        loop {
            let sent = {
                let mut streams = self.proxy.streams.borrow_mut();
                std::mem::take(&mut streams.last_mut().unwrap().sent)
            };
            let sent = sent.iter();
            let sent: Vec<_> = sent
                .map(|bytes| SubscriberMessage::decode(bytes).unwrap())
                .collect();
            let reports = sent
                .iter()
                .filter(|message| matches!(message, SubscriberMessage::Report(_)));
            let report_count = reports.count();
            assert!(report_count <= 1, "one is on its way at a time: {sent:?}");
            if sent.is_empty() {
                return said;
            }
            said.extend(sent);
            if report_count == 1 {
                self.hear(&PusherMessage::ReportTaken);
            }
        }
    }

    /// The reports among what was said.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        let said = self.said().into_iter();
        let reports = said.filter_map(|message| match message {
            SubscriberMessage::Report(report) => Some(report),
            _ => None,
        });
        reports.collect()
    }

    /// What the filter has answered to bundles since it was asked last.
    pub(crate) fn answers(&mut self) -> Vec<VmAnswer> {
        let reports = self.reports().into_iter();
        let mut answers: Vec<VmAnswer> = reports
            .map(|report| report.vms.into_iter().next().unwrap().answer)
            .filter(|answer| *answer != VmAnswer::Pending)
            .collect();
        answers.dedup();
        answers
    }

    pub(crate) fn the_nack(&mut self) -> Nack {
        match &self.answers()[..] {
            [VmAnswer::Nack(nack)] => nack.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn hello(&mut self) -> Hello {
        match &self.said()[..] {
            [SubscriberMessage::Hello(hello)] => hello.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn hear_bytes(&mut self, bytes: &[u8]) {
        *self.proxy.message.get_mut() = bytes.to_vec();
        let token = self.token();
        self.filter
            .on_stream_message(&self.proxy, token, bytes.len());
        self.pump();
    }

    pub(crate) fn hear(&mut self, message: &PusherMessage) {
        self.hear_bytes(&message.encode_to_vec());
    }

    /// An offer of a bundle comes, of which all sections are to follow.
    pub(crate) fn hear_offer(&mut self, bytes: &[u8]) {
        let offer = self.offer(bytes);
        self.hear(&PusherMessage::Offer(offer));
    }

    /// A whole bundle comes.
    pub(crate) fn hear_bundle(&mut self, bytes: &[u8]) {
        self.hear_offer(bytes);
        let before = self.credit();
        for (sent, chunk) in chunks(bytes).into_iter().enumerate() {
            let in_flight = sent - (self.credit() - before);
            if in_flight == CHUNKS_IN_FLIGHT_MAX {
                break;
            }
            self.hear(&PusherMessage::Chunk(chunk));
        }
    }

    /// How many chunks were taken, of those that [`Driver::said`] has not told of.
    fn credit(&self) -> usize {
        let streams = self.proxy.streams.borrow();
        let sent = streams.iter().flat_map(|stream| &stream.sent);
        sent.filter(|bytes| {
            let message = SubscriberMessage::decode(bytes);
            matches!(message, Ok(SubscriberMessage::ChunkTaken(_)))
        })
        .count()
    }

    /// The next offer of the stream.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> Offer {
        let token = self.token();
        let (stream, number) = self.offered;
        let number = if stream == token { number + 1 } else { 1 };
        self.offered = (token, number);
        Offer {
            number,
            bundle: id_of(bytes),
            head: head_of(bytes).into(),
            sent: sent(bytes).iter().map(|(place, _)| *place).collect(),
        }
    }

    /// Tells the filter of the messages in its VM's queue, and says whether there were any.
    pub(crate) fn pump(&mut self) -> bool {
        let mut has_woken = false;
        while self.pump_once() {
            has_woken = true;
        }
        has_woken
    }

    /// Tells the filter of one message in its VM's queue, and says whether there was any.
    pub(crate) fn pump_once(&mut self) -> bool {
        let own = self.proxy.context.get();
        let mut wake_ups = self.proxy.shared_data.wake_ups.borrow_mut();
        let place = wake_ups.iter().position(|(context, _)| *context == own);
        let Some(place) = place else {
            return false;
        };
        wake_ups.remove(place);
        drop(wake_ups);
        self.filter.on_queue_ready(&self.proxy);
        true
    }
}

/// A configuration; `more` follows the required keys.
pub(crate) fn config(more: &str) -> String {
    config_trusting(&[PLAIN.key], 1, more)
}

/// As [`config`], with other trusted keys.
pub(crate) fn config_trusting(keys: &[u8], threshold: u32, more: &str) -> String {
    let keys: Vec<String> = keys.iter().map(|key| public_key(*key)).collect();
    format!(r#"{{"ruleset":"shop","trust":{{"keys":{keys:?},"threshold":{threshold}}}{more}}}"#)
}

/// The sections of a bundle that travel, and their places in the table.
fn sent(bytes: &[u8]) -> Vec<(u32, Section<'_>)> {
    let bundle = Bundle::parse(bytes).unwrap();
    let mut sent: Vec<(u32, Section<'_>)> = Vec::new();
    for (place, section) in (0..).zip(bundle.sections()) {
        let is_known = sent.iter().any(|(_, known)| known.hash == section.hash);
        if section.bytes.is_some_and(|bytes| !bytes.is_empty()) && !is_known {
            sent.push((place, *section));
        }
    }
    sent
}

/// All that stands before the first section.
pub(crate) fn head_of(bytes: &[u8]) -> Vec<u8> {
    let bundle = Bundle::parse(bytes).unwrap();
    bundle.head().to_bytes()
}

/// The sections of a bundle in small chunks.
pub(crate) fn chunks(bytes: &[u8]) -> Vec<SectionChunk> {
    let mut chunks = Vec::new();
    for (_, section) in sent(bytes) {
        let data = section.bytes.unwrap();
        for (index, data) in data.chunks(CHUNK_LEN).enumerate() {
            chunks.push(SectionChunk {
                section: SectionHash(section.hash),
                offset: (index * CHUNK_LEN) as u32,
                data: data.to_vec().into(),
            });
        }
    }
    chunks
}
