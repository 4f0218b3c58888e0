//! Exchanges through a plugin of a [`Server`], and what becomes of them when its VM traps.

use crate::exchange::{Exchange, Outcome, Passage, Progress, Request, Response};
use crate::http_stream::{HttpStream, Message};
use crate::plugin::FailurePolicy;
use crate::server::{Open, PluginId, Root, Server};
use crate::vm::Error;

/// Envoy draws the wait before a reload from one to one and a half of this.
const RELOAD_BACKOFF_MS: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;

/// An exchange of a [`Server`] under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangeId(u64);

/// What a request finds.
enum Filter {
    At(Root),
    /// The VM trapped, or there is none.
    Unfiltered,
    Failed,
}

impl Server {
    /// A whole exchange on a worker, from 1. What waits goes on as far as it can without any time passing.
    pub fn exchange(
        &mut self,
        plugin: PluginId,
        worker: usize,
        request: Request,
        upstream: impl FnOnce(&HttpStream) -> Response,
    ) -> Outcome {
        let id = match self.begin(plugin, worker, request.clone()) {
            Ok(id) => id,
            Err(Passage::Unfiltered) => return unfiltered(request, upstream),
            Err(passage) => return failed(passage, HttpStream::default()),
        };
        let mut progress = self.run(id);
        if matches!(progress, Progress::RequestWaits) {
            progress = self.deliver_and_run(id);
        }
        if progress == Progress::AtUpstream {
            let response = self.stream(id).map(|stream| upstream(stream));
            self.respond(id, response.unwrap_or_default());
            if self.run(id) == Progress::ResponseWaits {
                self.deliver_and_run(id);
            }
        }
        self.end(id)
    }

    /// A request comes to a worker.
    ///
    /// # Errors
    ///
    /// How it passes if no VM takes it: unfiltered, or with 503.
    pub fn begin(
        &mut self,
        plugin: PluginId,
        worker: usize,
        request: Request,
    ) -> Result<ExchangeId, Passage> {
        let root = match self.filter(plugin, worker) {
            Filter::At(root) => root,
            Filter::Unfiltered => return Err(Passage::Unfiltered),
            Filter::Failed => return Err(Passage::Failed),
        };
        let options = self
            .plugins
            .get(plugin.0)
            .map(|installed| installed.plugin.options)
            .unwrap_or_default();
        let vm = self.process.vm(root.vm).ok_or(Passage::Failed)?;
        let exchange = Exchange::begin(vm, root.context_id, request, options);
        let exchange = exchange.map_err(|_| Passage::Failed)?;
        self.last_exchange += 1;
        self.open
            .insert(self.last_exchange, Open { root, exchange });
        Ok(ExchangeId(self.last_exchange))
    }

    /// Lets an exchange go as far as it can. One whose VM trapped is over.
    pub fn run(&mut self, id: ExchangeId) -> Progress {
        let Some(open) = self.open.get_mut(&id.0) else {
            return Progress::Over;
        };
        let is_there = self.process.generations.get(open.root.vm) == Some(&open.root.generation);
        match self.process.vm(open.root.vm).filter(|_| is_there) {
            Some(vm) => open.exchange.run(vm).unwrap_or(Progress::Over),
            None => Progress::Over,
        }
    }

    /// What the VM sees of an exchange.
    pub fn stream(&mut self, id: ExchangeId) -> Option<&mut HttpStream> {
        let open = self.open.get(&id.0)?;
        let vm = self.process.vm(open.root.vm)?;
        Some(vm.proxy_mut().http_stream(open.exchange.context_id()))
    }

    /// The upstream answers.
    pub fn respond(&mut self, id: ExchangeId, response: Response) {
        if let Some(open) = self.open.get_mut(&id.0) {
            open.exchange.respond(response);
        }
    }

    /// An exchange is over, or its client gives up.
    pub fn end(&mut self, id: ExchangeId) -> Outcome {
        let Some(Open { root, exchange }) = self.open.remove(&id.0) else {
            return failed(Passage::Failed, HttpStream::default());
        };
        let is_there = self.process.generations.get(root.vm) == Some(&root.generation);
        let vm = self.process.vm(root.vm).filter(|_| is_there);
        let outcome = match vm {
            Some(vm) if !vm.is_dead() => {
                let context_id = exchange.context_id();
                exchange.end(vm).unwrap_or_else(|_| {
                    let stream = vm.proxy_mut().http_streams.remove(&context_id);
                    failed(Passage::Failed, stream.unwrap_or_default())
                })
            }
            Some(vm) => {
                let stream = vm.proxy_mut().http_streams.remove(&exchange.context_id());
                failed(Passage::Failed, stream.unwrap_or_default())
            }
            None => failed(Passage::Failed, HttpStream::default()),
        };
        // A trap shows in the VM.
        let _: Result<(), Error> = self.end_root_if_idle(root);
        outcome
    }

    fn deliver_and_run(&mut self, id: ExchangeId) -> Progress {
        // A trap shows in the VM that trapped.
        let _: Result<(), Error> = self.process.deliver();
        self.run(id)
    }

    /// The root context that takes a request, reloaded if the policy says so.
    fn filter(&mut self, id: PluginId, worker: usize) -> Filter {
        let Some(installed) = self.plugins.get(id.0) else {
            return Filter::Failed;
        };
        let policy = installed.plugin.failure_policy;
        let Some(Some(root)) = installed.roots.get(worker).copied() else {
            return Filter::Unfiltered;
        };
        if self.is_alive(&root) {
            return Filter::At(root);
        }
        match policy {
            FailurePolicy::Closed => Filter::Failed,
            FailurePolicy::Open => Filter::Unfiltered,
            FailurePolicy::Reload => match self.reload(id, worker, root) {
                Some(root) => Filter::At(root),
                None => Filter::Failed,
            },
        }
    }

    fn is_alive(&mut self, root: &Root) -> bool {
        let is_same = self.process.generations.get(root.vm) == Some(&root.generation);
        let vm = self.process.vm(root.vm);
        is_same && vm.is_some_and(|vm| !vm.is_dead())
    }

    /// `None` if it is too early, or the VM fails again.
    fn reload(&mut self, id: PluginId, thread: usize, old: Root) -> Option<Root> {
        let jitter_ms = self.random.next() % (RELOAD_BACKOFF_MS / 2);
        let backoff_ns = (RELOAD_BACKOFF_MS + jitter_ms) * NS_PER_MS;
        let now_ns = self.process.monotonic_ns();
        if now_ns.saturating_sub(old.loaded_ns) < backoff_ns {
            return None;
        }
        self.set_root(
            id,
            thread,
            Root {
                loaded_ns: now_ns,
                ..old
            },
        );
        // Another plugin of the same VM may have brought about a new one already.
        let root = self.new_root(id, thread)?;
        self.set_root(id, thread, root);
        Some(root)
    }

    fn set_root(&mut self, id: PluginId, thread: usize, root: Root) {
        let installed = self.plugins.get_mut(id.0);
        if let Some(held) = installed.and_then(|installed| installed.roots.get_mut(thread)) {
            *held = Some(root);
        }
    }
}

/// What no filter sees.
fn unfiltered(request: Request, upstream: impl FnOnce(&HttpStream) -> Response) -> Outcome {
    let mut stream = HttpStream {
        properties: request.properties,
        request: whole(request.headers, request.body, request.trailers),
        ..HttpStream::default()
    };
    let response = upstream(&stream);
    stream.response = whole(response.headers, response.body, response.trailers);
    Outcome {
        progress: Progress::Over,
        passage: Passage::Unfiltered,
        reached_upstream: true,
        stream,
    }
}

fn whole(headers: crate::Headers, body: Vec<Vec<u8>>, trailers: crate::Headers) -> Message {
    Message {
        headers,
        sent_body: body.concat(),
        trailers,
        ..Message::default()
    }
}

/// 503, as Envoy answers where a VM trapped.
fn failed(passage: Passage, mut stream: HttpStream) -> Outcome {
    let status = (b":status".to_vec(), b"503".to_vec());
    stream.response = whole(vec![status], Vec::new(), Vec::new());
    Outcome {
        progress: Progress::Over,
        passage,
        reached_upstream: false,
        stream,
    }
}
