//! Calls of other services.

use super::low_half;
use crate::callout::{GrpcCall, GrpcStream, HttpCall, Outgoing, is_grpc_call, is_grpc_stream};
use crate::guest::{Answer, Guest};
use crate::http_stream::Headers;
use crate::proxy::Proxy;
use crate::{Status, maps, protobuf};

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_http_call", args) => http_call(guest, args),
        ("proxy_grpc_call", args) => grpc_call(guest, args),
        ("proxy_grpc_stream", args) => grpc_stream(guest, args),
        ("proxy_grpc_send", &[token, data, len, end_of_stream]) => {
            let message = guest.read(data, len)?;
            send(guest.proxy(), low_half(token), message)?;
            match end_of_stream {
                0 => Ok(()),
                _ => half_close(guest.proxy(), low_half(token)),
            }
        }
        ("proxy_grpc_close", &[token]) if is_grpc_stream(low_half(token)) => {
            half_close(guest.proxy(), low_half(token))
        }
        ("proxy_grpc_cancel", &[token]) if is_grpc_stream(low_half(token)) => {
            let proxy = guest.proxy();
            let place = stream(proxy, low_half(token))?;
            if let Some(stream) = proxy.grpc_streams.get_mut(place) {
                stream.cancelled = true;
            }
            proxy.outbox.push_back(Outgoing::Cancelled(low_half(token)));
            Ok(())
        }
        ("proxy_grpc_close" | "proxy_grpc_cancel", &[token]) if is_grpc_call(low_half(token)) => {
            let proxy = guest.proxy();
            call(proxy, low_half(token))?.cancelled = true;
            proxy.outbox.push_back(Outgoing::Cancelled(low_half(token)));
            Ok(())
        }
        ("proxy_grpc_close" | "proxy_grpc_cancel", _) => Err(Status::BAD_ARGUMENT),
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn http_call(guest: &mut Guest<'_, '_>, args: &[u64]) -> Answer {
    let &[
        upstream,
        upstream_len,
        headers,
        headers_len,
        body,
        body_len,
        trailers,
        trailers_len,
        timeout_ms,
        token_at,
    ] = args
    else {
        return Err(Status::UNIMPLEMENTED);
    };
    let mut call = HttpCall {
        upstream: guest.read(upstream, upstream_len)?,
        headers: pairs(guest, headers, headers_len)?,
        body: guest.read(body, body_len)?,
        trailers: pairs(guest, trailers, trailers_len)?,
        timeout_ms: low_half(timeout_ms),
        ..HttpCall::default()
    };
    guest.write_u32(token_at, 0)?;
    let proxy = guest.proxy();
    let has = |name: &[u8]| call.headers.iter().any(|(held, _)| held == name);
    let is_whole = has(b":method") && has(b":path") && has(b":authority");
    let is_known = proxy.clusters.contains(&call.upstream);
    // It counts as a signed number.
    if !is_whole || !is_known || call.timeout_ms.cast_signed() < 0 {
        return Err(Status::BAD_ARGUMENT);
    }
    call.token = proxy.tokens.next_http_call();
    call.context_id = proxy.contexts.acting_root();
    let token = call.token;
    let place = proxy.http_calls.len();
    proxy.outbox.push_back(Outgoing::HttpCall(place));
    proxy.http_calls.push(call);
    guest.write_u32(token_at, token)
}

fn grpc_call(guest: &mut Guest<'_, '_>, args: &[u64]) -> Answer {
    let &[
        upstream,
        upstream_len,
        service,
        service_len,
        method,
        method_len,
        metadata,
        metadata_len,
        message,
        message_len,
        timeout_ms,
        token_at,
    ] = args
    else {
        return Err(Status::UNIMPLEMENTED);
    };
    let mut call = GrpcCall {
        upstream: guest.read(upstream, upstream_len)?,
        method: (
            guest.read_text(service, service_len)?,
            guest.read_text(method, method_len)?,
        ),
        initial_metadata: pairs(guest, metadata, metadata_len)?,
        message: guest.read(message, message_len)?,
        timeout_ms: low_half(timeout_ms),
        ..GrpcCall::default()
    };
    let proxy = guest.proxy();
    check_upstream(proxy, &call.upstream)?;
    call.token = proxy.tokens.next_grpc_call();
    call.context_id = proxy.contexts.acting_root();
    let token = call.token;
    let place = proxy.grpc_calls.len();
    proxy.outbox.push_back(Outgoing::GrpcCall(place));
    proxy.grpc_calls.push(call);
    guest.write_u32(token_at, token)
}

fn grpc_stream(guest: &mut Guest<'_, '_>, args: &[u64]) -> Answer {
    let &[
        upstream,
        upstream_len,
        service,
        service_len,
        method,
        method_len,
        metadata,
        metadata_len,
        token_at,
    ] = args
    else {
        return Err(Status::UNIMPLEMENTED);
    };
    let mut stream = GrpcStream {
        upstream: guest.read(upstream, upstream_len)?,
        method: (
            guest.read_text(service, service_len)?,
            guest.read_text(method, method_len)?,
        ),
        initial_metadata: pairs(guest, metadata, metadata_len)?,
        ..GrpcStream::default()
    };
    let proxy = guest.proxy();
    check_upstream(proxy, &stream.upstream)?;
    stream.token = proxy.tokens.next_grpc_stream();
    stream.context_id = proxy.contexts.acting_root();
    let token = stream.token;
    let place = proxy.grpc_streams.len();
    proxy.outbox.push_back(Outgoing::Opened(place));
    proxy.grpc_streams.push(stream);
    guest.write_u32(token_at, token)
}

/// Envoy parses a message first, and looks for a cluster of that name then.
fn check_upstream(proxy: &Proxy, upstream: &[u8]) -> Answer {
    if protobuf::is_message(upstream) || proxy.clusters.contains(upstream) {
        Ok(())
    } else {
        Err(Status::PARSE_FAILURE)
    }
}

/// What is no map counts as an empty one.
fn pairs(guest: &Guest<'_, '_>, data: u64, len: u64) -> Answer<Headers> {
    Ok(maps::parse(&guest.read(data, len)?).unwrap_or_default())
}

fn send(proxy: &mut Proxy, token: u32, message: Vec<u8>) -> Answer {
    let place = stream(proxy, token)?;
    let stream = proxy.grpc_streams.get_mut(place).ok_or(Status::NOT_FOUND)?;
    let number = stream.sent.len();
    stream.sent.push(message);
    proxy.outbox.push_back(Outgoing::Sent(place, number));
    Ok(())
}

fn half_close(proxy: &mut Proxy, token: u32) -> Answer {
    let place = stream(proxy, token)?;
    let stream = proxy.grpc_streams.get_mut(place).ok_or(Status::NOT_FOUND)?;
    stream.half_closed = true;
    proxy.outbox.push_back(Outgoing::HalfClosed(place));
    Ok(())
}

/// The place of a stream of the root context that acts: another's is not found.
fn stream(proxy: &Proxy, token: u32) -> Answer<usize> {
    if !is_grpc_stream(token) {
        return Err(Status::BAD_ARGUMENT);
    }
    let root = proxy.contexts.acting_root();
    let is_it =
        |held: &GrpcStream| held.token == token && held.context_id == root && held.is_held();
    let place = proxy.grpc_streams.iter().rposition(is_it);
    place.ok_or(Status::NOT_FOUND)
}

fn call(proxy: &mut Proxy, token: u32) -> Answer<&mut GrpcCall> {
    let root = proxy.contexts.acting_root();
    let mut held = proxy.grpc_calls.iter_mut().rev();
    held.find(|call| call.token == token && call.context_id == root && !call.cancelled)
        .ok_or(Status::NOT_FOUND)
}
