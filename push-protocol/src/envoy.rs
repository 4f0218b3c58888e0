//! The one message of Envoy's API that a filter needs to open a stream.

use prost::Message;

/// `envoy.config.core.v3.GrpcService` that names a cluster, in its wire form.
///
/// Envoy's `proxy_grpc_stream` takes it as the upstream; a bare cluster name is tried only after this form.
///
/// ```
/// use riskgate_push_protocol::envoy;
///
/// let service = envoy::grpc_service("rule_pusher");
/// assert_eq!(service, b"\x0a\x1a\x0a\x0brule_pusher\x12\x0brule-pusher");
/// ```
///
/// Without an authority Envoy would send the cluster's name as `:authority`. Many names are none (Istio's
/// `outbound|7400||rule-pusher.riskgate.svc.cluster.local` for example), and a server resets such a stream.
#[must_use]
pub fn grpc_service(cluster: &str) -> Vec<u8> {
    GrpcService {
        envoy_grpc: Some(EnvoyGrpc {
            cluster_name: cluster.to_owned(),
            authority: AUTHORITY.to_owned(),
        }),
    }
    .encode_to_vec()
}

/// Short, so that every length in the message stays below 0x80 for names of up to 100 bytes.
const AUTHORITY: &str = "rule-pusher";

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
    #[prost(string, tag = "2")]
    authority: String,
}
