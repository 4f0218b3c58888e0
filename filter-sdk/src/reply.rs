//! Answers in place of the upstream's.

use crate::decide::Flow;
use crate::headers::Header;
use crate::host::Host;
use crate::metrics::{Metric, Metrics};

/// Nothing serves that could decide.
pub(crate) const RULESET_UNAVAILABLE: &[u8] = br#"{"error":"ruleset_unavailable"}"#;
/// The proxy does not tell what is to be decided.
pub(crate) const REQUEST_UNREADABLE: &[u8] = br#"{"error":"request_unreadable"}"#;

/// Answers a request. It never goes on, even if the host will not take the answer.
pub(crate) fn send(
    host: &dyn Host,
    metrics: &Metrics,
    status: u16,
    headers: &[Header<'_>],
    body: &[u8],
) -> Flow {
    if host.send_local_response(status, headers, body).is_err() {
        metrics.count(host, Metric::RequestErrors);
        let _ = host.send_local_response(403, &[], &[]);
    }
    Flow::Answered
}

/// Answers a request that cannot be decided and must not pass.
pub(crate) fn refuse(host: &dyn Host, metrics: &Metrics, body: &[u8]) -> Flow {
    let headers: [Header; 1] = [(b"content-type", b"application/json")];
    send(host, metrics, 503, &headers, body)
}
