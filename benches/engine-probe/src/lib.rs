//! The engine alone as a wasm module: what of a decision, and of loading a bundle, is its own part.
//!
//! The host writes bytes into the buffer that [`reserve`] gives, and then says what they are: a public key, a bundle, a
//! request. It traps on whatever is wrong; it is no filter, and talks to no host.
#![expect(
    unsafe_code,
    reason = "exporting a function by its name counts as unsafe; nothing else here is"
)]

use riskgate_engine::admission::Admission;
use riskgate_engine::bundle::Bundle;
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{HeadDecision, Ruleset, Scratch};
use riskgate_engine::trust::TrustedKeys;
use riskgate_engine::verdict::Verdict;
use riskgate_filter_sdk::headers::{self, Header};
use std::cell::RefCell;
use std::net::IpAddr;

#[derive(Default)]
struct Probe {
    buffer: Vec<u8>,
    /// Of the request that is added next; empty for none.
    body: Vec<u8>,
    trust: Option<TrustedKeys>,
    now_s: u64,
    ruleset: Option<Ruleset>,
    scratch: Scratch,
    requests: Vec<Request<'static>>,
}

thread_local! {
    static PROBE: RefCell<Probe> = RefCell::default();
}

fn with<T>(act: impl FnOnce(&mut Probe) -> T) -> T {
    PROBE.with_borrow_mut(act)
}

/// Room for `len` bytes, to be written before the next call.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    with(|probe| {
        probe.buffer = vec![0; len];
        probe.buffer.as_mut_ptr()
    })
}

/// The buffer holds the public key that signs, and now is `now_s`.
#[unsafe(no_mangle)]
pub extern "C" fn trust(now_s: u64) {
    with(|probe| {
        let key = <[u8; 32]>::try_from(&probe.buffer[..]).expect("32 bytes");
        probe.trust = Some(TrustedKeys::new(&[key], 1).expect("a public key"));
        probe.now_s = now_s;
    });
}

/// The buffer holds a bundle: checks signature, times and hashes, and nothing else.
#[unsafe(no_mangle)]
pub extern "C" fn verify() {
    with(|probe| probe.admit(|_| ()));
}

/// As [`verify`], and lets the ruleset serve.
#[unsafe(no_mangle)]
pub extern "C" fn load() {
    with(|probe| {
        let ruleset = probe.admit(|admitted| Ruleset::load(&admitted).expect("sections are good"));
        probe.ruleset = Some(ruleset);
    });
}

/// The buffer holds the body of the request that is added next.
#[unsafe(no_mangle)]
pub extern "C" fn body() {
    with(|probe| probe.body = std::mem::take(&mut probe.buffer));
}

/// The buffer holds a header map as the ABI serializes it, and before it the textual address, ended by a zero byte. The request is
/// taken apart now: that is no part of a decision.
#[unsafe(no_mangle)]
pub extern "C" fn add_request() {
    with(|probe| {
        let bytes: &'static [u8] = Vec::leak(std::mem::take(&mut probe.buffer));
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .expect("a zero byte");
        let address = str::from_utf8(&bytes[..end])
            .expect("text")
            .parse()
            .expect("an address");
        let time_us = i64::try_from(probe.now_s).expect("a time") * 1_000_000;
        let map = headers::decode(&bytes[end + 1..]).expect("a header map");
        let body: &'static [u8] = Vec::leak(std::mem::take(&mut probe.body));
        let body = (!body.is_empty()).then_some(body);
        let request = request(map, address, time_us);
        probe.requests.push(Request { body, ..request });
    });
}

/// Decides a request, by its head alone where its body does not matter: how many rules match, enforced or not.
#[unsafe(no_mangle)]
pub extern "C" fn decide(index: usize) -> usize {
    with(|probe| {
        let ruleset = probe.ruleset.as_ref().expect("a ruleset was loaded");
        let request = &probe.requests[index];
        let matches =
            |verdict: &Verdict<'_>| verdict.matched().count() + verdict.shadowed().count();
        if request.body.is_some()
            && let HeadDecision::Decided(verdict) = ruleset.decide_head(request, &mut probe.scratch)
        {
            return matches(&verdict);
        }
        matches(&ruleset.decide(request, &mut probe.scratch))
    })
}

impl Probe {
    fn admit<T>(&self, act: impl FnOnce(riskgate_engine::admission::Admitted<'_>) -> T) -> T {
        let bundle = Bundle::parse(&self.buffer).expect("a bundle");
        let admission = Admission {
            trust: self.trust.as_ref().expect("a key was given"),
            ruleset: bundle.manifest().ruleset,
            audience: bundle.manifest().audience,
            min_revision: 0,
            now_s: self.now_s,
            mark: None,
        };
        act(admission
            .admit(&self.buffer)
            .expect("a bundle that is admitted"))
    }
}

fn request(map: Vec<Header<'static>>, address: IpAddr, time_us: i64) -> Request<'static> {
    let pseudo = |wanted: &[u8]| {
        map.iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| *value)
    };
    let (method, scheme) = (pseudo(b":method"), pseudo(b":scheme"));
    let (host, path) = (pseudo(b":authority"), pseudo(b":path"));
    let headers = map
        .iter()
        .copied()
        .filter(|(name, _)| !name.starts_with(b":"));
    Request {
        method,
        scheme,
        host,
        path,
        headers: Vec::leak(headers.collect()),
        source_ip: Some(address),
        client_ip: Some(address),
        time_us,
        ..Request::default()
    }
}
