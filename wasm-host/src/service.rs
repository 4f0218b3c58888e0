//! What answers the calls of VMs: services that a test scripts.

use crate::callout::{GrpcCall, GrpcStream, HttpCall, HttpResponse};
use crate::http_stream::Headers;
use std::cell::RefCell;
use std::rc::Rc;

/// A gRPC stream or call of a VM. No two of one process are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The number of the VM.
    pub vm: usize,
    /// How many VMs stood in that place before.
    pub generation: u64,
    /// What the VM calls it by.
    pub token: u32,
}

/// What comes back on a gRPC stream or for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrpcReply {
    /// Comes first.
    InitialMetadata(Headers),
    /// A message.
    Message(Vec<u8>),
    /// Comes last but one.
    TrailingMetadata(Headers),
    /// The end: a gRPC status and a text. For a call a status of 0 is no reply: its message is.
    Close(u32, Vec<u8>),
}

/// A gRPC service in the test's own hands. What it does not answer is not answered.
pub trait GrpcService {
    /// A VM opened a stream.
    fn opened(&mut self, id: CallId, stream: &GrpcStream, replies: &mut Replies);

    /// A message came on a stream.
    fn received(&mut self, id: CallId, message: &[u8], replies: &mut Replies);

    /// A VM made a call of one request.
    fn called(&mut self, _id: CallId, _call: &GrpcCall, _replies: &mut Replies) {}

    /// A VM said that it sends no more.
    fn half_closed(&mut self, _id: CallId, _replies: &mut Replies) {}

    /// A VM cancelled a stream or a call, or is gone.
    fn cancelled(&mut self, _id: CallId) {}
}

impl<S: GrpcService> GrpcService for Rc<RefCell<S>> {
    fn opened(&mut self, id: CallId, stream: &GrpcStream, replies: &mut Replies) {
        self.borrow_mut().opened(id, stream, replies);
    }

    fn received(&mut self, id: CallId, message: &[u8], replies: &mut Replies) {
        self.borrow_mut().received(id, message, replies);
    }

    fn called(&mut self, id: CallId, call: &GrpcCall, replies: &mut Replies) {
        self.borrow_mut().called(id, call, replies);
    }

    fn half_closed(&mut self, id: CallId, replies: &mut Replies) {
        self.borrow_mut().half_closed(id, replies);
    }

    fn cancelled(&mut self, id: CallId) {
        self.borrow_mut().cancelled(id);
    }
}

/// What a service sends back, to whomever it likes.
#[derive(Debug, Default)]
pub struct Replies(pub(crate) Vec<(u64, CallId, GrpcReply)>);

impl Replies {
    /// Sends at once.
    pub fn send(&mut self, to: CallId, reply: GrpcReply) {
        self.send_after(0, to, reply);
    }

    /// Sends after a while.
    pub fn send_after(&mut self, ms: u64, to: CallId, reply: GrpcReply) {
        self.0.push((ms, to, reply));
    }
}

/// What comes back for an HTTP call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// After so long.
    pub after_ms: u64,
    /// `None` is a reset.
    pub response: Option<HttpResponse>,
}

/// An HTTP service in the test's own hands.
pub type HttpService = dyn FnMut(&HttpCall) -> HttpReply;

/// The services of a process.
#[derive(Default)]
pub(crate) struct Services {
    /// By the full name of the service.
    grpc: Vec<(String, Box<dyn GrpcService>)>,
    /// By the name of the cluster.
    http: Vec<(Vec<u8>, Box<HttpService>)>,
}

impl Services {
    pub(crate) fn add_grpc(&mut self, name: &str, service: Box<dyn GrpcService>) {
        self.grpc.push((name.to_owned(), service));
    }

    pub(crate) fn add_http(&mut self, cluster: &[u8], service: Box<HttpService>) {
        self.http.push((cluster.to_vec(), service));
    }

    /// Without any, the test itself brings about the callbacks.
    pub(crate) fn has_grpc(&self) -> bool {
        !self.grpc.is_empty()
    }

    pub(crate) fn has_http(&self) -> bool {
        !self.http.is_empty()
    }

    pub(crate) fn grpc(&mut self, name: &str) -> Option<&mut dyn GrpcService> {
        let mut all = self.grpc.iter_mut();
        let (_, service) = all.find(|(held, _)| held == name)?;
        Some(service.as_mut())
    }

    pub(crate) fn all_grpc(&mut self) -> impl Iterator<Item = &mut Box<dyn GrpcService>> {
        self.grpc.iter_mut().map(|(_, service)| service)
    }

    pub(crate) fn http(&mut self, cluster: &[u8]) -> Option<&mut HttpService> {
        let mut all = self.http.iter_mut();
        let (_, service) = all.find(|(held, _)| held == cluster)?;
        Some(service.as_mut())
    }
}
