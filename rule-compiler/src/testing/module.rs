//! Tests in the filter's own module: each has a VM of its own, which gets the ruleset as a signed bundle.

mod proxy;

use std::collections::HashMap;
use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use riskgate_wasm_host::{Module, Vm};
use serde_json::json;

use super::model::START_US;
use super::run::{Decider, Known};
use crate::build::throwaway_bundle;
use crate::ir;
use crate::request_json::OwnedRequest;
use proxy::{Pair, Reads};

const ROOT: u32 = 1;
const REQUEST: u32 = 2;
/// As much of a body as Envoy reads at once.
const CHUNK_LEN: usize = 16 << 10;
/// What every wasm module begins with.
const MAGIC: &[u8] = b"\0asm";
const START_S: u64 = START_US.unsigned_abs() / 1_000_000;
/// The longest body that a filter can be told to wait for.
const BODY_LIMIT_BYTES: u32 = 1 << 20;

/// A filter's module, in a proxy that only remembers. It shows what a filter tells a proxy, which is every key of a verdict but
/// the tags of a request that does not pass.
pub struct InModule {
    module: Module,
    ruleset: ir::Ruleset,
    reads: Reads,
    /// By the Unix time of its issue: one for the tests that begin when tests do, and one for those that begin before.
    configurations: HashMap<u64, Vec<u8>>,
    running: Option<Running>,
}

/// The VM of a test.
struct Running {
    vm: Vm,
    clock_us: i64,
}

impl InModule {
    /// Decides by a ruleset; `loaded` is the same.
    ///
    /// # Errors
    ///
    /// Says why the bytes are no module that decides by this ruleset.
    pub fn new(
        wasm: &[u8],
        ruleset: &ir::Ruleset,
        loaded: &LoadedRuleset,
    ) -> Result<InModule, String> {
        if !wasm.starts_with(MAGIC) {
            return Err("it is no wasm module".to_owned());
        }
        let mut decider = InModule {
            module: Module::new(wasm).map_err(text)?,
            ruleset: ir::Ruleset {
                // Tests ask what rules do, whenever that is.
                on_expired: ir::OnExpired::Keep,
                ..ruleset.clone()
            },
            reads: Reads::of(loaded),
            configurations: HashMap::new(),
            running: None,
        };
        // What is no filter fails here, and not at the first test.
        let request = crate::request_json::parse(r#"{"path":"/"}"#).map_err(text)?;
        decider.decide(&request, START_US)?;
        Ok(decider)
    }

    fn start(&mut self, at_us: i64) -> Result<Running, String> {
        let now_ns = nanoseconds(at_us)?;
        // Each bundle is compiled and kept, and tests may begin at very many times; one that has expired decides alike.
        let issued_at_s = if at_us < START_US { 0 } else { START_S };
        let configuration = match self.configurations.get(&issued_at_s) {
            Some(configuration) => configuration,
            None => {
                let configuration = self.configuration(issued_at_s)?;
                self.configurations
                    .entry(issued_at_s)
                    .or_insert(configuration)
            }
        };
        let mut vm = Vm::new(&self.module).map_err(text)?;
        set_clocks(&mut vm, now_ns);
        vm.create_context(ROOT, 0).map_err(text)?;
        match vm.configure(ROOT, configuration).map_err(text)? {
            true => Ok(Running {
                vm,
                clock_us: at_us,
            }),
            false => Err(format!("it refuses its configuration{}", last_line(&vm))),
        }
    }

    fn configuration(&self, issued_at_s: u64) -> Result<Vec<u8>, String> {
        let (bundle, key) = throwaway_bundle(&self.ruleset, issued_at_s).map_err(text)?;
        let mut configuration = json!({
            "ruleset": self.ruleset.name,
            "trust": { "keys": [STANDARD.encode(key)] },
            "bundle": STANDARD.encode(bundle),
            "body_limit_bytes": BODY_LIMIT_BYTES,
        });
        if self.reads.both_addresses()
            && let Some(keys) = configuration.as_object_mut()
        {
            keys.insert("client_ip".to_owned(), json!({ "trusted_hops": 1 }));
        }
        Ok(configuration.to_string().into_bytes())
    }
}

impl Decider for InModule {
    fn begin(&mut self) {
        self.running = None;
    }

    fn decide(&mut self, request: &OwnedRequest, at_us: i64) -> Result<Known, String> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start(at_us)?,
        };
        running.advance_to(at_us)?;
        let vm = &mut running.vm;
        // What a sequence may be too long to keep.
        vm.proxy_mut().calls.clear();
        let sent = request.with(at_us, |asked| {
            proxy::sent(asked, request.headers(), &self.reads)
        })?;
        vm.create_context(REQUEST, ROOT).map_err(text)?;
        vm.proxy_mut().http_stream(REQUEST).properties = sent.properties;
        send(vm, &sent.headers, request.body())?;
        let known = proxy::known(vm.proxy_mut().http_stream(REQUEST));
        let known =
            known.ok_or_else(|| format!("it does not decide by the ruleset{}", last_line(vm)))?;
        end(vm, request)?;
        self.running = Some(running);
        Ok(known)
    }
}

impl Running {
    /// A proxy ticks between requests, which must not change what was counted.
    fn advance_to(&mut self, at_us: i64) -> Result<(), String> {
        if at_us > self.clock_us {
            self.clock_us = at_us;
            set_clocks(&mut self.vm, nanoseconds(at_us)?);
            self.vm.tick(ROOT).map_err(text)?;
        }
        Ok(())
    }
}

fn set_clocks(vm: &mut Vm, now_ns: u64) {
    let proxy = vm.proxy_mut();
    proxy.now_ns = now_ns;
    proxy.monotonic_ns = now_ns;
}

/// The callbacks of a request up to its verdict.
fn send(vm: &mut Vm, headers: &[Pair], body: Option<&[u8]>) -> Result<(), String> {
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    vm.request_headers(REQUEST, &headers, body.is_none())
        .map_err(text)?;
    let mut rest = body;
    while let Some(bytes) = rest {
        if vm.proxy_mut().http_stream(REQUEST).local_response.is_some() {
            break;
        }
        let (chunk, after) = bytes.split_at(bytes.len().min(CHUNK_LEN));
        rest = (!after.is_empty()).then_some(after);
        vm.request_body(REQUEST, chunk, rest.is_none())
            .map_err(text)?;
    }
    Ok(())
}

/// The last callbacks of a request, with its response if the test gives one: without one it ends uncounted, as in the engine.
fn end(vm: &mut Vm, request: &OwnedRequest) -> Result<(), String> {
    let mut is_answered = false;
    request.with_response(|response| {
        is_answered = true;
        proxy::tell_response(vm.proxy_mut().http_stream(REQUEST), response);
    });
    vm.done(REQUEST).map_err(text)?;
    if is_answered {
        vm.log(REQUEST).map_err(text)?;
    }
    vm.delete(REQUEST).map_err(text)
}

/// The proxy's clock.
fn nanoseconds(at_us: i64) -> Result<u64, String> {
    let micros = u64::try_from(at_us).ok();
    let nanos = micros.and_then(|micros| micros.checked_mul(1_000));
    nanos.ok_or_else(|| {
        "a module's clock goes from 1970 to 2554; give the request a `time` in between".to_owned()
    })
}

/// What a VM said last, to stand behind a reason.
fn last_line(vm: &Vm) -> String {
    let line = vm.proxy().log.last();
    line.map_or_else(String::new, |(_, line)| format!(": {line}"))
}

fn text(error: impl Display) -> String {
    error.to_string()
}
