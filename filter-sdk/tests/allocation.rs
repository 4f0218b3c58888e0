//! A request that goes on to the upstream takes no memory from the allocator once the buffers have seen requests as large as
//! they come.
//!
//! A test binary of its own: `allocation_counter` replaces its global allocator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "filter/bundles.rs"]
mod bundles;

use allocation_counter::measure;
use bundles::{EPOCH_S, PLAIN, Spec, public_key};
use riskgate_filter_sdk::config::Cluster;
use riskgate_filter_sdk::headers::{self, Header};
use riskgate_filter_sdk::host::{Host, HostError, Level, MetricKind, Version};
use riskgate_filter_sdk::{Filter, Flow, Vm};
use std::cell::Cell;

/// Reads every property, counts, also by the response, scores, tags, and matches in the shadow.
const BUNDLE: Spec = Spec {
    more: r#"
counters:
  by_value: { key: ['request.headers["x-many"]'], window: 1h }
  paths: { key: [client.ip], distinct: request.path, window: 1h }
  errors: { key: [client.ip], count_when: response.code >= 500, window: 1h }
"#,
    rules: r#"
  - { id: scored, when: 'request.url_path == "/item"', then: { score: 7, tag: { kind: odd } } }
  - { id: counted, when: 'counters.by_value > 100000 || counters.paths > 100000 || counters.errors > 100000', then: deny }
  - { id: other, when: 'request.headers["x-many"] == "second"', then: { score: 1 } }
  - { id: shadowed, stage: shadow, when: 'request.query.contains("page")', then: deny }
  - { id: network, when: 'client.ip in ["203.0.113.0/24"] || source.ip in ["203.0.113.0/24"]', then: deny }
  - { id: partner, when: 'connection.uri_san_peer_certificate == "x" && connection.mtls', then: deny }
  - { id: subject, when: 'auth.claims["sub"] == "42" || auth.claims["iss"] == "x"', then: deny }
  - { id: plumbing, when: 'request.protocol == "x" && request.id == "x" && connection.requested_server_name == "x"', then: deny }
  - { id: tls, when: 'connection.tls_version == "x" || connection.subject_peer_certificate == "x"', then: deny }
"#,
    ..PLAIN
};

/// Answers without taking memory, as long as a buffer is large enough.
#[derive(Default)]
struct Quiet {
    map: Vec<u8>,
    calls: Cell<usize>,
}

impl Quiet {
    fn done(&self) -> Result<(), HostError> {
        self.calls.set(self.calls.get() + 1);
        Ok(())
    }
}

impl Host for Quiet {
    fn log(&self, _level: Level, message: &str) {
        assert!(!message.contains("refused"), "{message}");
    }

    fn now_ns(&self) -> Result<u64, HostError> {
        Ok((EPOCH_S + 60) * 1_000_000_000)
    }

    fn monotonic_ns(&self) -> Result<u64, HostError> {
        Ok(0)
    }

    fn random(&self, _out: &mut [u8]) -> Result<(), HostError> {
        self.done()
    }

    fn set_tick_period(&self, _period_ms: u32) -> Result<(), HostError> {
        self.done()
    }

    fn shared_data(&self, _key: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }

    fn create_shared_data(&self, _key: &str, _value: &[u8]) -> Result<bool, HostError> {
        Ok(true)
    }

    fn shared_data_version(
        &self,
        _key: &str,
        _max_len: usize,
        _value: &mut Vec<u8>,
    ) -> Result<Option<Version>, HostError> {
        Ok(None)
    }

    fn replace_shared_data(
        &self,
        _key: &str,
        _value: &[u8],
        _version: Version,
    ) -> Result<bool, HostError> {
        Ok(true)
    }

    fn register_queue(&self, _name: &str) -> Result<u32, HostError> {
        Ok(1)
    }

    fn resolve_queue(&self, _name: &str) -> Result<Option<u32>, HostError> {
        Ok(None)
    }

    fn enqueue(&self, _queue: u32, _message: &[u8]) -> Result<(), HostError> {
        self.done()
    }

    fn dequeue(&self, _queue: u32, _message: &mut Vec<u8>) -> Result<bool, HostError> {
        Ok(false)
    }

    fn property(&self, path: &str, value: &mut Vec<u8>) -> Result<bool, HostError> {
        self.done()?;
        let text: &[u8] = match path {
            "source\0address" => b"192.0.2.1:5",
            "connection\0mtls" => &[0],
            _ => b"some value",
        };
        value.clear();
        value.extend_from_slice(text);
        Ok(true)
    }

    fn set_property(&self, _path: &str, _value: &[u8]) -> Result<(), HostError> {
        self.done()
    }

    fn request_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError> {
        map.clear();
        map.extend_from_slice(&self.map);
        self.done()
    }

    fn request_body(&self, _max_len: usize, body: &mut Vec<u8>) -> Result<(), HostError> {
        body.clear();
        self.done()
    }

    fn response_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError> {
        self.request_headers(map)
    }

    fn replace_request_header(&self, _name: &[u8], _value: &[u8]) -> Result<(), HostError> {
        self.done()
    }

    fn remove_request_header(&self, _name: &[u8]) -> Result<(), HostError> {
        self.done()
    }

    fn send_local_response(
        &self,
        _status: u16,
        _headers: &[Header<'_>],
        _body: &[u8],
    ) -> Result<(), HostError> {
        self.done()
    }

    fn define_metric(&self, _kind: MetricKind, _name: &str) -> Result<u32, HostError> {
        Ok(0)
    }

    fn increment_metric(&self, _id: u32, _by: i64) -> Result<(), HostError> {
        self.done()
    }

    fn record_metric(&self, _id: u32, _value: u64) -> Result<(), HostError> {
        self.done()
    }

    fn open_stream(&self, _cluster: &Cluster) -> Result<u32, HostError> {
        Err(HostError::Status(10))
    }

    fn send_message(&self, _stream: u32, _message: &[u8]) -> Result<(), HostError> {
        Err(HostError::Status(10))
    }

    fn cancel_stream(&self, _stream: u32) -> Result<(), HostError> {
        self.done()
    }

    fn received_message(&self, _len: usize) -> Result<Vec<u8>, HostError> {
        Ok(Vec::new())
    }
}

fn map(path: &str) -> Vec<u8> {
    let all: [Header; 9] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"shop.example"),
        (b":path", path.as_bytes()),
        (b"x-forwarded-for", b"198.51.100.7"),
        (b"x-many", b"first"),
        (b"x-many", b"second"),
        (b"x-risk-score", b"0"),
        (b"x-risk-tag-kind", b"forged"),
    ];
    headers::encode(&all).unwrap()
}

#[test]
fn a_request_that_goes_on_allocates_nothing() {
    for (client_ip, rules_decide) in [("\"peer\"", true), (r#"{"trusted_hops":1}"#, false)] {
        let bundle = if rules_decide {
            format!(r#","bundle":"{}""#, BUNDLE.base64())
        } else {
            String::new()
        };
        let key = public_key(PLAIN.key);
        let json = format!(
            r#"{{"ruleset":"shop","trust":{{"keys":["{key}"]}},"client_ip":{client_ip}{bundle}}}"#
        );
        let mut host = Quiet::default();
        let mut filter = Filter::new(&Vm::default());
        filter.on_configure(&host, json.as_bytes());
        filter.on_tick(&host);
        let maps = ["/item?page=1", "/other", "/item?page=22222", "/"].map(map);
        let mut round = || {
            for map in &maps {
                host.map.clone_from(map);
                assert_eq!(filter.on_request_headers(&host, false), Flow::Continue);
                let pending = filter.take_pending();
                assert_eq!(pending.is_some(), rules_decide);
                if let Some(pending) = pending {
                    filter.on_response(&host, pending);
                }
            }
        };
        let cold = measure(&mut round);
        assert!(cold.count_total > 0, "the counter does not count");
        let warm = measure(&mut round);
        assert_eq!(warm.count_total, 0, "{json}");
        let least = if rules_decide { 100 } else { 30 };
        assert!(host.calls.get() > least, "{} calls", host.calls.get());
    }
}
