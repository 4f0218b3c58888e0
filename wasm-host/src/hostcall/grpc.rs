//! gRPC streams.

use crate::guest::{Answer, Guest};
use crate::proxy::{GrpcStream, Proxy};
use crate::{Status, maps};

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        (
            "proxy_grpc_stream",
            &[
                upstream,
                upstream_len,
                service,
                service_len,
                method,
                method_len,
                metadata,
                metadata_len,
                at,
            ],
        ) => {
            let upstream = guest.read(upstream, upstream_len)?;
            // Envoy parses a message first and looks for a cluster of that name then.
            if !upstream.starts_with(b"\x0a") {
                return Err(Status::PARSE_FAILURE);
            }
            let stream = GrpcStream {
                upstream,
                method: (
                    guest.read_text(service, service_len)?,
                    guest.read_text(method, method_len)?,
                ),
                initial_metadata: maps::parse(&guest.read(metadata, metadata_len)?)
                    .unwrap_or_default(),
                ..GrpcStream::default()
            };
            let token = open(guest.proxy(), stream);
            guest.write_u32(at, token)
        }
        ("proxy_grpc_send", &[token, data, len, _]) => {
            let message = guest.read(data, len)?;
            by_token(guest.proxy(), token)?.sent.push(message);
            Ok(())
        }
        ("proxy_grpc_cancel", &[token]) => {
            by_token(guest.proxy(), token)?.cancelled = true;
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn open(proxy: &mut Proxy, mut stream: GrpcStream) -> u32 {
    stream.context_id = proxy.contexts.acting_root();
    let of_root = |other: &&GrpcStream| other.context_id == stream.context_id;
    let opened = proxy.grpc_streams.iter().filter(of_root).count();
    stream.token = super::len_u32(opened + 1).saturating_mul(2);
    let token = stream.token;
    proxy.grpc_streams.push(stream);
    token
}

fn by_token(proxy: &mut Proxy, token: u64) -> Answer<&mut GrpcStream> {
    let root = proxy.contexts.acting_root();
    let mut streams = proxy.grpc_streams.iter_mut();
    let stream =
        streams.find(|stream| stream.context_id == root && u64::from(stream.token) == token);
    stream.ok_or(Status::NOT_FOUND)
}
