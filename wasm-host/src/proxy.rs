//! What the proxy holds: everything that a test sets, and everything that the VM did.

use crate::fault::{Fault, Faults};
use crate::shared_data::SharedData;
use std::collections::BTreeMap;

/// A proxy that remembers.
#[derive(Debug, Default)]
pub struct Proxy {
    /// Wall clock, nanoseconds since the Unix epoch.
    pub now_ns: u64,
    /// By path, its parts joined with zero bytes.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the VM set, by path.
    pub set_properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Headers of the request whose callback ran last, as the VM left them.
    pub request_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Headers of its response, which the VM sees when the request ends.
    pub response_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the VM answered to that request.
    pub local_response: Option<LocalResponse>,
    /// What the VMs of a process share; a VM that is alone shares it with nobody.
    pub shared_data: SharedData,
    /// By id, from 1.
    pub metrics: Vec<Metric>,
    /// In the order they were opened.
    pub streams: Vec<Stream>,
    /// The period that the VM asked for last.
    pub tick_period_ms: Option<u32>,
    /// Level and line, oldest first.
    pub log: Vec<(u32, String)>,
    /// The name of every call that the VM made, oldest first.
    pub calls: Vec<String>,
    /// What each callback returned that [`Fault::Callback`] brought about, 0 if it returns nothing; `None` if it trapped.
    pub callback_results: Vec<Option<u32>>,
    pub(crate) plugin_configuration: Vec<u8>,
    pub(crate) grpc_message: Vec<u8>,
    pub(crate) random_state: u64,
    pub(crate) faults: Faults,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i64,
}

/// An answer in place of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalResponse {
    /// HTTP status.
    pub status: u32,
    /// The serialized header map.
    pub headers: Vec<u8>,
    /// May be empty.
    pub body: Vec<u8>,
}

/// A gRPC stream that the VM opened. Its token is its place in [`Proxy::streams`], from 1.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What the VM named as upstream.
    pub upstream: Vec<u8>,
    /// Service and method.
    pub method: (String, String),
    /// What the VM sent.
    pub sent: Vec<Vec<u8>>,
    /// Whether the VM cancelled it.
    pub cancelled: bool,
}

impl Proxy {
    /// Lets every use of a call go wrong.
    pub fn inject(&mut self, call: &str, fault: Fault) {
        self.faults.inject(call, 0, fault);
    }

    /// Lets a call work `good` times, and then always go wrong.
    pub fn inject_after(&mut self, call: &str, good: u32, fault: Fault) {
        self.faults.inject(call, good, fault);
    }

    /// The value of a metric; `None` if the VM never defined it.
    pub fn metric(&self, name: &str) -> Option<i64> {
        self.metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.value)
    }

    /// The next bytes of a fixed sequence (SplitMix64): a test must be repeatable, not unpredictable.
    pub(crate) fn random(&mut self, len: usize) -> Vec<u8> {
        let next = || {
            self.random_state = self.random_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed =
                (self.random_state ^ (self.random_state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) & 0xff) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }
}

/// A header map in its serialized form.
pub(crate) fn serialize_headers(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let len = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = u32::try_from(headers.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    for (name, value) in headers {
        map.extend([len(name), len(value)].concat());
    }
    for (name, value) in headers {
        map.extend([name, &[0][..], value, &[0]].concat());
    }
    map
}
