//! What a VM asks of other services: HTTP calls, gRPC calls, gRPC streams.

use crate::http_stream::Headers;

/// How tokens are counted: the kind is in the two lowest bits, and each kind counts for itself.
const TOKEN_STEP: u32 = 4;

/// An HTTP call that the VM made.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// What the VM calls it by: 4, 8, 12, …
    pub token: u32,
    /// The root context that made it, and gets the response.
    pub context_id: u32,
    /// The name of the cluster.
    pub upstream: Vec<u8>,
    /// With `:method`, `:path` and `:authority`.
    pub headers: Headers,
    /// May be empty.
    pub body: Vec<u8>,
    /// May be empty.
    pub trailers: Headers,
    /// 0 stands for no limit.
    pub timeout_ms: u32,
}

/// What comes back for an HTTP call.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// With `:status`.
    pub headers: Headers,
    /// May be empty.
    pub body: Vec<u8>,
    /// May be empty.
    pub trailers: Headers,
}

/// A gRPC call of one request and one response.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct GrpcCall {
    /// What the VM calls it by: 5, 9, 13, …
    pub token: u32,
    /// The root context that made it, and gets its callbacks.
    pub context_id: u32,
    /// What the VM named as upstream: a serialized `GrpcService`, or the name of a cluster.
    pub upstream: Vec<u8>,
    /// Service and method.
    pub method: (String, String),
    /// The metadata that the call begins with.
    pub initial_metadata: Headers,
    /// The request.
    pub message: Vec<u8>,
    /// 0 stands for no limit.
    pub timeout_ms: u32,
    /// Whether the VM cancelled it, or it is over.
    pub cancelled: bool,
}

/// A gRPC stream that the VM opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct GrpcStream {
    /// What the VM calls it by: 6, 10, 14, …
    pub token: u32,
    /// The root context that opened it, and gets its callbacks.
    pub context_id: u32,
    /// What the VM named as upstream: a serialized `GrpcService`, or the name of a cluster.
    pub upstream: Vec<u8>,
    /// Service and method.
    pub method: (String, String),
    /// The metadata that the stream began with.
    pub initial_metadata: Headers,
    /// What the VM sent.
    pub sent: Vec<Vec<u8>>,
    /// Whether the VM said that it sends no more.
    pub half_closed: bool,
    /// Whether the VM cancelled it.
    pub cancelled: bool,
    /// The status with which the other end closed it.
    pub closed: Option<u32>,
}

/// What a VM did with other services, by the places of what it did it with in the lists of its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {
    HttpCall(usize),
    GrpcCall(usize),
    Opened(usize),
    /// A stream, and the place of the message in what was sent on it.
    Sent(usize, usize),
    HalfClosed(usize),
    /// The token of a stream or a call.
    Cancelled(u32),
}

/// The tokens that one VM was given.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    http_calls: u32,
    grpc_calls: u32,
    grpc_streams: u32,
}

impl Tokens {
    pub(crate) fn next_http_call(&mut self) -> u32 {
        self.http_calls += TOKEN_STEP;
        self.http_calls
    }

    pub(crate) fn next_grpc_call(&mut self) -> u32 {
        self.grpc_calls += TOKEN_STEP;
        self.grpc_calls + 1
    }

    pub(crate) fn next_grpc_stream(&mut self) -> u32 {
        self.grpc_streams += TOKEN_STEP;
        self.grpc_streams + 2
    }
}

pub(crate) fn is_grpc_call(token: u32) -> bool {
    token % TOKEN_STEP == 1
}

pub(crate) fn is_grpc_stream(token: u32) -> bool {
    token % TOKEN_STEP == 2
}

impl GrpcStream {
    /// Whether the VM can still name it. One that the other end closed is kept until the VM gives it up.
    pub(crate) fn is_held(&self) -> bool {
        let given_up = self.half_closed && self.closed.is_some();
        !self.cancelled && !given_up
    }

    /// Whether messages can come on it.
    pub fn is_open(&self) -> bool {
        !self.cancelled && self.closed.is_none()
    }
}
