//! A whole exchange, driven through one filter as Envoy's filter manager does.

use crate::http_stream::{Headers, HttpStream, LocalResponse, Message};
use crate::maps;
use crate::vm::{Action, Error, Vm};
use std::collections::{BTreeMap, VecDeque};

/// A request of a client.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Request {
    /// With `:method`, `:path` and `:authority`, names in lower case.
    pub headers: Headers,
    /// The body, in the pieces in which it comes.
    pub body: Vec<Vec<u8>>,
    /// None if empty.
    pub trailers: Headers,
    /// What only this exchange has, by path, its parts joined with zero bytes.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an upstream answers.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Response {
    /// With `:status`, names in lower case.
    pub headers: Headers,
    /// The body, in the pieces in which it comes.
    pub body: Vec<Vec<u8>>,
    /// None if empty.
    pub trailers: Headers,
}

/// What Envoy lets its user set for a filter.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeOptions {
    /// As Envoy's option of that name: a filter that stops at headers is told of the body. Without it, nothing more comes
    /// before the filter lets the headers go on.
    pub allow_on_headers_stop_iteration: bool,
    /// How many bytes of a request's body can be held back; for more of them the client gets 413. `None` is no limit.
    pub buffer_limit_bytes: Option<usize>,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The filter holds the request back.
    RequestWaits,
    /// The upstream has the request, and [`Exchange::respond`] has to be called.
    AtUpstream,
    /// The filter holds the response back.
    ResponseWaits,
    /// The client has the response, or the exchange was reset.
    Over,
}

/// An exchange under way. It belongs to the VM that it began in.
#[derive(Debug)]
pub struct Exchange {
    context_id: u32,
    options: ExchangeOptions,
    frames: VecDeque<Frame>,
    stage: Stage,
    stop: Stop,
    /// The VM answered in place of the upstream, or of what was left of its response.
    has_answered: bool,
    /// The client has the response's headers.
    has_responded: bool,
    reached_upstream: bool,
}

/// Whether a filter saw an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It did.
    Filtered,
    /// Its VM had failed, and its user had said that requests pass then.
    Unfiltered,
    /// Its VM failed before or in this exchange: the client gets 503.
    Failed,
}

/// What a client and an upstream saw of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where it ended.
    pub progress: Progress,
    /// Whether the filter saw it.
    pub passage: Passage,
    /// Whether the upstream got the request. What it got is in [`HttpStream::request`]: headers, `sent_body`, trailers.
    pub reached_upstream: bool,
    /// All of it. What the client got is in [`HttpStream::response`].
    pub stream: HttpStream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Request,
    AtUpstream,
    Response,
    Over,
}

/// What the filter holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Nothing,
    /// The filter is told of what follows, and nothing goes on.
    Single,
    /// The filter is told of nothing more.
    All,
}

#[derive(Debug)]
struct Frame {
    part: Part,
    is_last: bool,
}

#[derive(Debug)]
enum Part {
    Headers(Headers),
    Data(Vec<u8>),
    Trailers(Headers),
}

impl Outcome {
    /// The HTTP status that the client got; `None` if it got no response.
    pub fn status(&self) -> Option<u32> {
        let headers = &self.stream.response.headers;
        let status = headers.iter().find(|(name, _)| name == b":status")?;
        std::str::from_utf8(&status.1).ok()?.parse().ok()
    }
}

impl Vm {
    /// A whole exchange. If the filter holds it back for ever, the client gives up. Without a response of the filter the
    /// upstream answers.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn exchange(
        &mut self,
        root: u32,
        request: Request,
        options: ExchangeOptions,
        upstream: impl FnOnce(&HttpStream) -> Response,
    ) -> Result<Outcome, Error> {
        let mut exchange = Exchange::begin(self, root, request, options)?;
        if exchange.run(self)? == Progress::AtUpstream {
            let response = upstream(self.proxy_mut().http_stream(exchange.context_id));
            exchange.respond(response);
            exchange.run(self)?;
        }
        exchange.end(self)
    }
}

impl Exchange {
    /// A request comes: its context is made, and nothing more is told yet.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped, as in all that follows.
    pub fn begin(
        vm: &mut Vm,
        root: u32,
        request: Request,
        options: ExchangeOptions,
    ) -> Result<Exchange, Error> {
        let context_id = vm.proxy_mut().contexts.allocate();
        vm.create_context(context_id, root)?;
        vm.proxy_mut().http_stream(context_id).properties = request.properties;
        Ok(Exchange {
            context_id,
            options,
            frames: frames(request.headers, request.body, request.trailers),
            stage: Stage::Request,
            stop: Stop::Nothing,
            has_answered: false,
            has_responded: false,
            reached_upstream: false,
        })
    }

    /// The context of the exchange.
    pub fn context_id(&self) -> u32 {
        self.context_id
    }

    /// Goes as far as the filter lets it. Where something waits, it may go further after other callbacks of the VM.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn run(&mut self, vm: &mut Vm) -> Result<Progress, Error> {
        loop {
            self.take_note(vm);
            match (self.stage, self.stop) {
                (Stage::Over, _) => return Ok(Progress::Over),
                (Stage::AtUpstream, _) => return Ok(Progress::AtUpstream),
                (stage, Stop::All) => return Ok(waits(stage)),
                _ => {}
            }
            match self.frames.pop_front() {
                Some(frame) => self.pass(vm, frame)?,
                None if self.stop != Stop::Nothing => return Ok(waits(self.stage)),
                None if self.stage == Stage::Request => {
                    self.stage = Stage::AtUpstream;
                    self.reached_upstream = true;
                }
                None => self.stage = Stage::Over,
            }
        }
    }

    /// The upstream answers.
    pub fn respond(&mut self, response: Response) {
        self.frames = frames(response.headers, response.body, response.trailers);
        self.stage = Stage::Response;
        self.stop = Stop::Nothing;
    }

    /// The exchange is over, or its client gives up: the context is logged and deleted.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn end(self, vm: &mut Vm) -> Result<Outcome, Error> {
        vm.log(self.context_id)?;
        vm.done(self.context_id)?;
        vm.delete(self.context_id)?;
        let stream = vm.proxy_mut().http_streams.remove(&self.context_id);
        Ok(Outcome {
            progress: match self.stage {
                Stage::AtUpstream => Progress::AtUpstream,
                Stage::Over => Progress::Over,
                stage => waits(stage),
            },
            passage: Passage::Filtered,
            reached_upstream: self.reached_upstream,
            stream: stream.unwrap_or_default(),
        })
    }

    /// What the VM said in any callback since: that it answers, goes on, or resets.
    fn take_note(&mut self, vm: &mut Vm) {
        let stream = vm.proxy_mut().http_stream(self.context_id);
        if stream.request.closed || stream.response.closed {
            self.stage = Stage::Over;
            return;
        }
        if let (Some(local), false) = (&stream.local_response, self.has_answered) {
            self.has_answered = true;
            let response = local_response(local);
            match self.stage {
                Stage::Request | Stage::AtUpstream => self.respond(response),
                Stage::Response | Stage::Over => {
                    self.stage = Stage::Over;
                    if !self.has_responded {
                        stream.response.headers = response.headers;
                        stream.response.sent_body = response.body.concat();
                    }
                }
            }
            return;
        }
        let message = current(self.stage, stream);
        if std::mem::take(&mut message.continued) {
            message.release_body();
            self.stop = Stop::Nothing;
        }
    }

    /// Tells the filter of one frame.
    fn pass(&mut self, vm: &mut Vm, frame: Frame) -> Result<(), Error> {
        let (id, is_request) = (self.context_id, self.stage == Stage::Request);
        let Frame { part, is_last } = frame;
        let is_headers = matches!(part, Part::Headers(_));
        let action = match (part, is_request) {
            (Part::Headers(headers), true) => vm.request_headers(id, &slices(&headers), is_last)?,
            (Part::Headers(headers), false) => {
                vm.response_headers(id, &slices(&headers), is_last)?
            }
            (Part::Data(chunk), true) => vm.request_body(id, &chunk, is_last)?,
            (Part::Data(chunk), false) => vm.response_body(id, &chunk, is_last)?,
            (Part::Trailers(trailers), true) => vm.request_trailers(id, &slices(&trailers))?,
            (Part::Trailers(trailers), false) => vm.response_trailers(id, &slices(&trailers))?,
        };
        self.stop = match action {
            Action::Continue => Stop::Nothing,
            Action::Pause if is_headers && !self.options.allow_on_headers_stop_iteration => {
                Stop::All
            }
            Action::Pause => Stop::Single,
        };
        self.has_responded |= !is_request && self.stop == Stop::Nothing;
        self.check_limit(vm);
        Ok(())
    }

    fn check_limit(&mut self, vm: &mut Vm) {
        let stream = vm.proxy_mut().http_stream(self.context_id);
        let held = stream.request.body.len();
        let is_beyond = self
            .options
            .buffer_limit_bytes
            .is_some_and(|limit| held > limit);
        if is_beyond && self.stage == Stage::Request && stream.local_response.is_none() {
            stream.local_response = Some(LocalResponse {
                status: 413,
                headers: Vec::new(),
                body: b"Payload Too Large".to_vec(),
                details: b"request_payload_too_large".to_vec(),
                grpc_status: -1,
            });
        }
    }
}

fn waits(stage: Stage) -> Progress {
    match stage {
        Stage::Request => Progress::RequestWaits,
        _ => Progress::ResponseWaits,
    }
}

fn current(stage: Stage, stream: &mut HttpStream) -> &mut Message {
    match stage {
        Stage::Request => &mut stream.request,
        _ => &mut stream.response,
    }
}

fn frames(headers: Headers, body: Vec<Vec<u8>>, trailers: Headers) -> VecDeque<Frame> {
    let mut parts = vec![Part::Headers(headers)];
    parts.extend(body.into_iter().map(Part::Data));
    if !trailers.is_empty() {
        parts.push(Part::Trailers(trailers));
    }
    let count = parts.len();
    let numbered = (1..).zip(parts);
    numbered
        .map(|(number, part)| Frame {
            part,
            is_last: number == count,
        })
        .collect()
}

/// As Envoy sends it: with the length of its body, and a type if it says none.
fn local_response(local: &LocalResponse) -> Response {
    let pair = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
    let mut headers = vec![pair(":status", local.status.to_string())];
    headers.extend(maps::parse(&local.headers).unwrap_or_default());
    if !local.body.is_empty() {
        headers.push(pair("content-length", local.body.len().to_string()));
        if !headers.iter().any(|(name, _)| name == b"content-type") {
            headers.push(pair("content-type", "text/plain".to_owned()));
        }
    }
    Response {
        headers,
        body: Some(local.body.clone())
            .filter(|body| !body.is_empty())
            .into_iter()
            .collect(),
        trailers: Headers::new(),
    }
}

fn slices(headers: &Headers) -> Vec<(&[u8], &[u8])> {
    let pairs = headers.iter();
    pairs.map(|(name, value)| (&name[..], &value[..])).collect()
}
