//! A VM that runs the filter, from the first callback on.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use riskgate_engine::bundle::Bundle;
use riskgate_filter_sdk::headers;
use riskgate_push_protocol::limits::CHUNK_LEN_MAX;
use riskgate_push_protocol::{BundleId, Digest, Offer, PusherMessage, SectionChunk, SectionHash};
use wasmtime::{Engine, Instance, Module, Store, TypedFunc, WasmParams, WasmResults};

use super::host::{self, Proxy, QUEUE, STREAM};
use crate::model::{RULESET_NAME, TrafficItem};
use crate::{NOW_S, public_key};

const ROOT: u32 = 1;
const WASM_PAGE: usize = 64 << 10;

/// The filter in a VM.
pub(super) struct FilterVm {
    store: Store<Proxy>,
    instance: Instance,
    callbacks: Callbacks,
    next_context: u32,
}

/// Callbacks of a request. A module need not export those that it does nothing in, and a proxy leaves them out then.
struct Callbacks {
    create: Option<TypedFunc<(u32, u32), ()>>,
    request_headers: TypedFunc<(u32, u32, u32), u32>,
    request_body: TypedFunc<(u32, u32, u32), u32>,
    response_headers: Option<TypedFunc<(u32, u32, u32), u32>>,
    response_body: Option<TypedFunc<(u32, u32, u32), u32>>,
    done: Option<TypedFunc<u32, u32>>,
    log: Option<TypedFunc<u32, ()>>,
    delete: Option<TypedFunc<u32, ()>>,
}

/// A request in the form that the ABI hands it over.
pub(super) struct Wire {
    pub(super) headers: Vec<u8>,
    pub(super) address: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// How long the callbacks of a request took.
pub(super) struct Times {
    /// `proxy_on_request_headers`.
    pub(super) decision: Duration,
    /// `proxy_on_request_body` with the whole body, of a request that waits for it.
    pub(super) body: Option<Duration>,
    /// All of them.
    pub(super) whole: Duration,
}

/// How long the callbacks took that brought a bundle.
pub(super) struct LoadTimes {
    /// All chunks but the last.
    pub(super) transfer: Duration,
    /// The last chunk: what is verified, checked and swapped.
    pub(super) last_chunk: Duration,
}

impl Wire {
    pub(super) fn of(item: &TrafficItem) -> Result<Wire> {
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", item.method.as_bytes()),
            (b":scheme", b"https"),
            (b":authority", b"shop.example.com"),
            (b":path", item.path.as_bytes()),
        ];
        let own = item.headers.iter();
        let own = own.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let all: Vec<_> = pseudo.into_iter().chain(own).collect();
        Ok(Wire {
            headers: headers::encode(&all).context("headers are too long")?,
            address: format!("{}:40000", item.source).into_bytes(),
            body: item.body.clone().into_bytes(),
        })
    }
}

impl FilterVm {
    /// A filter that has its configuration and its stream, and no bundle.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<FilterVm> {
        let (mut store, instance) = host::start(engine, module)?;
        let callbacks = Callbacks::find(&mut store, &instance)?;
        let mut vm = FilterVm {
            store,
            instance,
            callbacks,
            next_context: ROOT + 1,
        };
        let key = BASE64.encode(public_key());
        let configuration = format!(
            r#"{{"ruleset":"{RULESET_NAME}","trust":{{"keys":["{key}"]}},"push":{{"cluster":"pusher"}}}}"#
        );
        let len = u32::try_from(configuration.len())?;
        vm.store.data_mut().now_ns = NOW_S * 1_000_000_000;
        vm.store.data_mut().configuration = configuration.into_bytes();
        vm.call::<_, ()>("proxy_on_context_create", (ROOT, 0_u32))?;
        let configured: u32 = vm.call("proxy_on_configure", (ROOT, len))?;
        ensure!(configured == 1, "the filter takes no configuration");
        // The first tick connects at once: nothing serves.
        vm.call::<_, ()>("proxy_on_tick", ROOT)?;
        ensure!(!vm.store.data().sent.is_empty(), "no stream was opened");
        Ok(vm)
    }

    /// Brings a bundle by the stream.
    pub(super) fn load(&mut self, bundle: &[u8]) -> Result<LoadTimes> {
        let messages = messages(bundle)?;
        let mut times = Vec::with_capacity(messages.len());
        for message in messages {
            let len = u32::try_from(message.len())?;
            self.store.data_mut().message = message;
            let start = Instant::now();
            self.call::<_, ()>("proxy_on_grpc_receive", (ROOT, STREAM, len))?;
            // A load goes on in slices, for which the VM wakes itself.
            while self.store.data_mut().take_wake_up() {
                self.call::<_, ()>("proxy_on_queue_ready", (ROOT, QUEUE))?;
            }
            times.push(start.elapsed());
        }
        let serves = self
            .store
            .data()
            .log
            .iter()
            .any(|line| line.ends_with("serves"));
        ensure!(
            serves,
            "the bundle was refused: {:?}",
            self.store.data().log
        );
        let last_chunk = times.pop().context("a bundle has chunks")?;
        Ok(LoadTimes {
            transfer: times.iter().sum(),
            last_chunk,
        })
    }

    /// One request from its first callback to its last.
    pub(super) fn decide(&mut self, wire: &mut Wire) -> Result<Times> {
        let id = self.next_context;
        self.next_context += 1;
        let proxy = self.store.data_mut();
        proxy.clear_request();
        std::mem::swap(&mut proxy.headers, &mut wire.headers);
        std::mem::swap(&mut proxy.address, &mut wire.address);
        std::mem::swap(&mut proxy.body, &mut wire.body);
        let body_len = u32::try_from(proxy.body.len())?;
        let Callbacks {
            create,
            request_headers,
            request_body,
            ..
        } = &self.callbacks;
        let start = Instant::now();
        if let Some(create) = create {
            create.call(&mut self.store, (id, ROOT))?;
        }
        let decision = Instant::now();
        let ends = u32::from(body_len == 0);
        let paused = request_headers.call(&mut self.store, (id, 18, ends))? != 0;
        let decision = decision.elapsed();
        let body = Instant::now();
        let waits = paused && self.store.data().reply_status == 0;
        if waits {
            request_body.call(&mut self.store, (id, body_len, 1))?;
        }
        let body = waits.then(|| body.elapsed());
        self.callbacks.finish(&mut self.store, id)?;
        let whole = start.elapsed();
        let proxy = self.store.data_mut();
        std::mem::swap(&mut proxy.headers, &mut wire.headers);
        std::mem::swap(&mut proxy.address, &mut wire.address);
        std::mem::swap(&mut proxy.body, &mut wire.body);
        Ok(Times {
            decision,
            body,
            whole,
        })
    }

    /// The proxy, as the last request left it.
    pub(super) fn proxy(&self) -> &Proxy {
        self.store.data()
    }

    /// Linear memory, in bytes. It never shrinks.
    pub(super) fn memory_len(&mut self) -> Result<usize> {
        let memory = self.instance.get_memory(&mut self.store, "memory");
        let memory = memory.context("the module exports no memory")?;
        Ok(usize::try_from(memory.size(&self.store))? * WASM_PAGE)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)?;
        let result = function.call(&mut self.store, params);
        let result = result.map_err(anyhow::Error::from);
        result.with_context(|| format!("{name}; log: {:?}", self.store.data().log))
    }
}

impl Callbacks {
    fn find(store: &mut Store<Proxy>, instance: &Instance) -> Result<Callbacks> {
        Ok(Callbacks {
            create: instance
                .get_typed_func(&mut *store, "proxy_on_context_create")
                .ok(),
            request_headers: instance.get_typed_func(&mut *store, "proxy_on_request_headers")?,
            request_body: instance.get_typed_func(&mut *store, "proxy_on_request_body")?,
            response_headers: instance
                .get_typed_func(&mut *store, "proxy_on_response_headers")
                .ok(),
            response_body: instance
                .get_typed_func(&mut *store, "proxy_on_response_body")
                .ok(),
            done: instance.get_typed_func(&mut *store, "proxy_on_done").ok(),
            log: instance.get_typed_func(&mut *store, "proxy_on_log").ok(),
            delete: instance.get_typed_func(store, "proxy_on_delete").ok(),
        })
    }

    /// What a proxy calls after the request's headers, for a response with a body in one piece.
    fn finish(&self, store: &mut Store<Proxy>, id: u32) -> Result<()> {
        if let Some(response_headers) = &self.response_headers {
            response_headers.call(&mut *store, (id, 5, 0))?;
        }
        if let Some(response_body) = &self.response_body {
            response_body.call(&mut *store, (id, 2, 1))?;
        }
        if let Some(done) = &self.done {
            done.call(&mut *store, id)?;
        }
        if let Some(log) = &self.log {
            log.call(&mut *store, id)?;
        }
        if let Some(delete) = &self.delete {
            delete.call(&mut *store, id)?;
        }
        Ok(())
    }
}

/// What a pusher sends: the offer, and the chunks of all sections.
fn messages(bundle: &[u8]) -> Result<Vec<Vec<u8>>> {
    let parsed = Bundle::parse(bundle)?;
    let (mut sent, mut chunks) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for (place, section) in (0..).zip(parsed.sections()) {
        let bytes = section.bytes.unwrap_or_default();
        if bytes.is_empty() || section.flags.is_detached() || !known.insert(section.hash) {
            continue;
        }
        sent.push(place);
        for (index, data) in bytes.chunks(CHUNK_LEN_MAX).enumerate() {
            chunks.push(PusherMessage::Chunk(SectionChunk {
                section: SectionHash(section.hash),
                offset: u32::try_from(index * CHUNK_LEN_MAX)?,
                data: data.to_vec().into(),
            }));
        }
    }
    let offer = PusherMessage::Offer(Offer {
        number: 1,
        bundle: BundleId {
            revision: parsed.manifest().revision,
            digest: Digest(parsed.digest().0),
        },
        head: parsed.head().to_bytes().into(),
        sent,
    });
    let messages = [offer].into_iter().chain(chunks);
    Ok(messages.map(|message| message.encode_to_vec()).collect())
}
