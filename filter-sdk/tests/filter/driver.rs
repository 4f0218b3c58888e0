//! A filter with its proxy, and what tests do with both.

use crate::bundles::{EPOCH_S, PLAIN, id_of, public_key};
use crate::proxy::Proxy;
use riskgate_filter_sdk::{Filter, Flow, Vm};
use riskgate_push_protocol::v1::{
    BundleChunk, BundleStart, Hello, PusherMessage, SubscriberMessage,
};

/// Chunks of the tests are small, so that a bundle has several.
const CHUNK_LEN: usize = 100;

/// The longest wait for a stream, in ticks of 100 ms.
pub(crate) const WAIT_TICKS_MAX: usize = 300;

pub(crate) struct Driver {
    pub(crate) proxy: Proxy,
    vm: Vm,
    pub(crate) filter: Filter,
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
    }

    pub(crate) fn set_time(&self, now_s: u64) {
        self.proxy.now_ns.set(now_s * 1_000_000_000);
    }

    pub(crate) fn tick(&mut self) {
        self.proxy.shared_data.advance(100);
        self.filter.on_tick(&self.proxy);
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

    /// What the filter has said on its latest stream since it was asked last.
    pub(crate) fn said(&self) -> Vec<SubscriberMessage> {
        let mut streams = self.proxy.streams.borrow_mut();
        let sent = std::mem::take(&mut streams.last_mut().unwrap().sent);
        sent.iter()
            .map(|bytes| SubscriberMessage::decode(bytes).unwrap())
            .collect()
    }

    /// As [`Driver::said`], without the credit for chunks.
    pub(crate) fn answers(&self) -> Vec<SubscriberMessage> {
        let mut said = self.said();
        said.retain(|message| !matches!(message, SubscriberMessage::ChunkTaken(_)));
        said
    }

    pub(crate) fn hello(&self) -> Hello {
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
    }

    pub(crate) fn hear(&mut self, message: &PusherMessage) {
        self.hear_bytes(&message.encode_to_vec());
    }

    pub(crate) fn hear_start(&mut self, announced: &[u8]) {
        self.hear(&start(announced));
    }

    /// A whole bundle comes, announced as itself.
    pub(crate) fn hear_bundle(&mut self, bytes: &[u8]) {
        self.hear_file(bytes, bytes);
    }

    /// `file` comes, announced as `announced`.
    pub(crate) fn hear_file(&mut self, announced: &[u8], file: &[u8]) {
        let mut message = start(announced);
        if let PusherMessage::Start(start) = &mut message {
            start.total_len = file.len() as u32;
        }
        self.hear(&message);
        for chunk in chunks(announced, file) {
            self.hear(&chunk);
        }
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

pub(crate) fn start(bytes: &[u8]) -> PusherMessage {
    PusherMessage::Start(BundleStart {
        bundle: id_of(bytes),
        total_len: bytes.len() as u32,
    })
}

/// `file` in chunks that say they belong to `announced`.
pub(crate) fn chunks(announced: &[u8], file: &[u8]) -> Vec<PusherMessage> {
    let digest = id_of(announced).digest;
    let parts = file.chunks(CHUNK_LEN).enumerate();
    parts
        .map(|(index, data)| {
            let offset = (index * CHUNK_LEN) as u32;
            PusherMessage::Chunk(BundleChunk {
                digest,
                offset,
                data: data.to_vec().into(),
            })
        })
        .collect()
}
