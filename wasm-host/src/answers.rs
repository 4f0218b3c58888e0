//! Services answer what VMs ask of them.

use crate::callout::{HttpResponse, Outgoing};
use crate::events::{Coming, Pending};
use crate::process::Process;
use crate::service::{CallId, GrpcReply, Replies};
use crate::vm::{Error, Vm};

/// gRPC statuses.
const DEADLINE_EXCEEDED: u32 = 4;
const UNIMPLEMENTED: u32 = 12;

impl Process {
    /// Something comes for a call.
    pub(crate) fn reply(&mut self, pending: Pending) -> Result<(), Error> {
        let Pending { id, coming, .. } = pending;
        let is_same = self.generations.get(id.vm) == Some(&id.generation);
        match self.vms.get_mut(id.vm) {
            // A VM that trapped is deaf, and its streams stay open.
            Some(vm) if is_same && !vm.is_dead() => tell(vm, id.token, coming),
            _ => Ok(()),
        }
    }

    /// Gives to the services what VMs asked of them.
    pub(crate) fn answer_vms(&mut self) {
        for number in 0..self.vms.len() {
            while let Some(outgoing) = self.next_outgoing(number) {
                self.answer(number, outgoing);
            }
        }
    }

    /// A VM is gone: what it had opened is reset.
    pub(crate) fn reset(&mut self, number: usize) {
        let Some(vm) = self.vms.get(number) else {
            return;
        };
        let streams = vm.proxy().grpc_streams.iter();
        let open = streams.filter(|stream| stream.is_open());
        let tokens: Vec<u32> = open.map(|stream| stream.token).collect();
        for token in tokens {
            self.answer(number, Outgoing::Cancelled(token));
        }
    }

    fn next_outgoing(&mut self, number: usize) -> Option<Outgoing> {
        self.vms.get_mut(number)?.proxy_mut().outbox.pop_front()
    }

    fn id(&self, vm: usize, token: u32) -> Option<CallId> {
        let generation = *self.generations.get(vm)?;
        Some(CallId {
            vm,
            generation,
            token,
        })
    }

    fn answer(&mut self, number: usize, outgoing: Outgoing) -> Option<()> {
        match outgoing {
            Outgoing::HttpCall(place) => return self.answer_http(number, place),
            Outgoing::Cancelled(token) => {
                let id = self.id(number, token)?;
                for service in self.services.all_grpc() {
                    service.cancelled(id);
                }
            }
            _ if !self.services.has_grpc() => {}
            Outgoing::GrpcCall(place) => return self.answer_call(number, place),
            Outgoing::Opened(place) | Outgoing::Sent(place, _) | Outgoing::HalfClosed(place) => {
                return self.answer_stream(number, place, outgoing);
            }
        }
        Some(())
    }

    fn answer_call(&mut self, number: usize, place: usize) -> Option<()> {
        let call = self.vms.get(number)?.proxy().grpc_calls.get(place)?.clone();
        let id = self.id(number, call.token)?;
        if call.timeout_ms > 0 {
            let timeout = GrpcReply::Close(DEADLINE_EXCEEDED, Vec::new());
            self.reply_after(call.timeout_ms.into(), id, timeout);
        }
        let mut replies = Replies::default();
        match self.services.grpc(&call.method.0) {
            Some(service) => service.called(id, &call, &mut replies),
            None => replies.send(id, GrpcReply::Close(UNIMPLEMENTED, Vec::new())),
        }
        self.schedule(replies);
        Some(())
    }

    fn answer_stream(&mut self, number: usize, place: usize, outgoing: Outgoing) -> Option<()> {
        let streams = &self.vms.get(number)?.proxy().grpc_streams;
        let stream = streams.get(place)?.clone();
        let id = self.id(number, stream.token)?;
        let mut replies = Replies::default();
        match (self.services.grpc(&stream.method.0), outgoing) {
            (None, Outgoing::Opened(_)) => {
                replies.send(id, GrpcReply::Close(UNIMPLEMENTED, Vec::new()));
            }
            (None, _) => {}
            (Some(service), Outgoing::Opened(_)) => service.opened(id, &stream, &mut replies),
            (Some(service), Outgoing::Sent(_, message)) => {
                service.received(id, stream.sent.get(message)?, &mut replies);
            }
            (Some(service), _) => service.half_closed(id, &mut replies),
        }
        self.schedule(replies);
        Some(())
    }

    fn answer_http(&mut self, number: usize, place: usize) -> Option<()> {
        if !self.services.has_http() {
            return None;
        }
        let call = self.vms.get(number)?.proxy().http_calls.get(place)?.clone();
        let id = self.id(number, call.token)?;
        let (mut after_ms, mut response) = match self.services.http(&call.upstream) {
            Some(service) => {
                let reply = service(&call);
                (reply.after_ms, reply.response)
            }
            None => (0, Some(status(503, b"no healthy upstream"))),
        };
        let timeout_ms = u64::from(call.timeout_ms);
        if timeout_ms > 0 && after_ms >= timeout_ms {
            (after_ms, response) = (timeout_ms, Some(status(504, b"upstream request timeout")));
        }
        let due_ns = self.after(after_ms);
        self.events.add_http(due_ns, id, response);
        Some(())
    }

    fn schedule(&mut self, replies: Replies) {
        for (after_ms, id, reply) in replies.0 {
            self.reply_after(after_ms, id, reply);
        }
    }
}

/// Tells a VM of what came, unless it gave that up.
fn tell(vm: &mut Vm, token: u32, coming: Coming) -> Result<(), Error> {
    let proxy = vm.proxy();
    let streams = proxy.grpc_streams.iter();
    let stream = streams.rev().find(|stream| stream.token == token);
    let calls = proxy.grpc_calls.iter();
    let call = calls.rev().find(|call| call.token == token);
    let http_calls = proxy.http_calls.iter();
    let http_call = http_calls.rev().find(|call| call.token == token);
    match coming {
        Coming::Http(response) => match http_call.map(|call| call.context_id) {
            Some(root) if proxy.contexts.exists(root) => {
                vm.http_call_response(root, token, response)
            }
            _ => Ok(()),
        },
        Coming::Grpc(reply) => {
            let of_stream = stream.filter(|stream| stream.is_open());
            let of_call = call.filter(|call| !call.cancelled);
            let root = of_stream
                .map(|stream| stream.context_id)
                .or_else(|| of_call.map(|call| call.context_id));
            match root {
                Some(root) => tell_grpc(vm, root, token, reply),
                None => Ok(()),
            }
        }
    }
}

fn tell_grpc(vm: &mut Vm, root: u32, token: u32, reply: GrpcReply) -> Result<(), Error> {
    let is_last = matches!(reply, GrpcReply::Message(_) | GrpcReply::Close(..));
    let calls = vm.proxy_mut().grpc_calls.iter_mut();
    for call in calls.filter(|call| call.token == token && is_last) {
        // It is over, and nothing more comes for it.
        call.cancelled = true;
    }
    match reply {
        GrpcReply::InitialMetadata(metadata) => vm.grpc_initial_metadata(root, token, metadata),
        GrpcReply::Message(message) => vm.grpc_receive(root, token, &message),
        GrpcReply::TrailingMetadata(metadata) => vm.grpc_trailing_metadata(root, token, metadata),
        GrpcReply::Close(status, text) => vm.grpc_close_with(root, token, status, &text),
    }
}

fn status(status: u32, body: &[u8]) -> HttpResponse {
    HttpResponse {
        headers: vec![(b":status".to_vec(), status.to_string().into_bytes())],
        body: body.to_vec(),
        ..HttpResponse::default()
    }
}
