//! The configuration of an Envoy that answers every request itself, with one filter or none before.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

/// The cluster behind which the pusher is.
pub(super) const PUSHER_CLUSTER: &str = "rule_pusher";

const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const FILE_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const PROTOCOL_OPTIONS: &str =
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// What differs between the Envoys.
pub(super) struct Bootstrap<'a> {
    pub(super) filter: Option<Value>,
    pub(super) access_log: Option<&'a Path>,
    pub(super) pusher: Option<SocketAddr>,
}

impl Bootstrap<'_> {
    /// As Envoy reads it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "node": { "id": "benchmark", "cluster": "benchmark" },
            "admin": { "address": any_port() },
            // Next to never (300 s is the limit): statistics are no part of a request's cost.
            "stats_flush_interval": "290s",
            "static_resources": {
                "listeners": [{
                    "name": "http",
                    "address": any_port(),
                    "filter_chains": [{ "filters": [self.http()] }],
                }],
                "clusters": self.pusher.map(pusher_cluster).into_iter().collect::<Vec<_>>(),
            },
        })
    }

    fn http(&self) -> Value {
        let router =
            json!({ "name": "envoy.filters.http.router", "typed_config": { "@type": ROUTER } });
        let filters: Vec<Value> = self.filter.clone().into_iter().chain([router]).collect();
        json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": HTTP,
                "stat_prefix": "http",
                "use_remote_address": true,
                "xff_num_trusted_hops": 0,
                "access_log": self.access_log.map(access_log).into_iter().collect::<Vec<_>>(),
                "http_filters": filters,
                "route_config": {
                    "name": "all",
                    "virtual_hosts": [{
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{
                            "match": { "prefix": "/" },
                            "direct_response": { "status": 200 },
                        }],
                    }],
                },
            },
        })
    }
}

fn any_port() -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } })
}

/// The access log of the shipped configurations.
fn access_log(path: &Path) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": FILE_LOG,
            "path": path,
            "log_format": { "json_format": {
                "start": "%START_TIME%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
                "method": "%REQ(:METHOD)%",
                "host": "%REQ(:AUTHORITY)%",
                "path": "%REQ(:PATH)%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "action": "%FILTER_STATE(wasm.riskgate.action:PLAIN)%",
                "rule": "%FILTER_STATE(wasm.riskgate.rule:PLAIN)%",
                "score": "%FILTER_STATE(wasm.riskgate.score:PLAIN)%",
                "matched": "%FILTER_STATE(wasm.riskgate.matched:PLAIN)%",
                "shadowed": "%FILTER_STATE(wasm.riskgate.shadowed:PLAIN)%",
                "would": "%FILTER_STATE(wasm.riskgate.would:PLAIN)%",
                "revision": "%FILTER_STATE(wasm.riskgate.revision:PLAIN)%",
            } },
        },
    })
}

fn pusher_cluster(at: SocketAddr) -> Value {
    let address = json!({ "socket_address": { "address": at.ip(), "port_value": at.port() } });
    json!({
        "name": PUSHER_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": PROTOCOL_OPTIONS,
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        },
        "load_assignment": {
            "cluster_name": PUSHER_CLUSTER,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}
