//! A request and its response, as one context of the VM sees them.

use std::collections::BTreeMap;

/// Names and values in their order; a name may stand there several times.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// An answer in place of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalResponse {
    /// HTTP status.
    pub status: u32,
    /// The serialized header map.
    pub headers: Vec<u8>,
    /// May be empty.
    pub body: Vec<u8>,
    /// Why, for the proxy's log.
    pub details: Vec<u8>,
    /// gRPC status; −1 stands for none.
    pub grpc_status: i32,
}

/// One of the two directions of an exchange.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message {
    /// As the VM left them.
    pub headers: Headers,
    /// What the VM's next body callback sees: the chunk that came, behind what it held back.
    pub body: Vec<u8>,
    /// The body as the VM let it go on.
    pub sent_body: Vec<u8>,
    /// As the VM left them.
    pub trailers: Headers,
    /// Whether the VM asked to go on with it, and nobody has taken note yet.
    pub continued: bool,
    /// Whether the VM reset it.
    pub closed: bool,
    pub(crate) reach: Reach,
    pub(crate) holds_body: bool,
}

/// What the VM can reach now. As in Envoy, what a callback let go on is out of reach until the log is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) headers: bool,
    pub(crate) body: bool,
    pub(crate) trailers: bool,
}

/// A request, its response, and what the VM said of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HttpStream {
    /// Properties of this exchange, by path, its parts joined with zero bytes. They stand before
    /// [`Proxy::properties`](crate::Proxy::properties).
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the VM set, by path: Envoy's filter state, without its prefix `wasm.`.
    pub set_properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// To the upstream.
    pub request: Message,
    /// From the upstream. A test may fill it before the stream ends, when its log is written.
    pub response: Message,
    /// What the VM answered in place of the upstream.
    pub local_response: Option<LocalResponse>,
}

impl Message {
    /// A chunk came: it stands behind what the VM held back.
    pub(crate) fn receive(&mut self, chunk: &[u8]) {
        if !self.holds_body {
            self.body.clear();
        }
        self.body.extend_from_slice(chunk);
        self.reach.body = true;
    }

    /// The VM held the body back or let it go on.
    pub(crate) fn received(&mut self, goes_on: bool) {
        self.holds_body = !goes_on;
        if goes_on {
            self.release_body();
        }
    }

    /// What was held goes on.
    pub(crate) fn release_body(&mut self) {
        self.sent_body.append(&mut self.body);
        self.reach.body = false;
        self.holds_body = false;
    }
}
