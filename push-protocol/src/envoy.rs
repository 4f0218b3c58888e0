//! The one message of Envoy's API that a filter needs to open a stream.

use prost::Message;

/// `envoy.config.core.v3.GrpcService` that names a cluster, in its wire form.
///
/// Envoy's `proxy_grpc_stream` takes it as the upstream; a bare cluster name is tried only after this form.
///
/// ```
/// use riskgate_push_protocol::envoy;
///
/// assert_eq!(envoy::grpc_service("rule_pusher"), b"\x0a\x0d\x0a\x0brule_pusher");
/// ```
#[must_use]
pub fn grpc_service(cluster: &str) -> Vec<u8> {
    let cluster_name = cluster.to_owned();
    GrpcService {
        envoy_grpc: Some(EnvoyGrpc { cluster_name }),
    }
    .encode_to_vec()
}

/// The field numbers are those of `envoy/config/core/v3/grpc_service.proto`.
#[derive(Clone, PartialEq, Message)]
struct GrpcService {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<EnvoyGrpc>,
}

#[derive(Clone, PartialEq, Message)]
struct EnvoyGrpc {
    #[prost(string, tag = "1")]
    cluster_name: String,
}
