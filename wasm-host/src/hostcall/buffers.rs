//! Buffers: bodies, messages, configurations.

use crate::Status;
use crate::guest::{Answer, Guest};
use crate::http_stream::Message;
use crate::proxy::Proxy;

const REQUEST_BODY: u64 = 0;
const RESPONSE_BODY: u64 = 1;
const DOWNSTREAM_DATA: u64 = 2;
const UPSTREAM_DATA: u64 = 3;
const HTTP_CALL_BODY: u64 = 4;
const GRPC_MESSAGE: u64 = 5;
const VM_CONFIGURATION: u64 = 6;
const PLUGIN_CONFIGURATION: u64 = 7;
const CALL_DATA: u64 = 8;
const LAST_BUFFER: u64 = CALL_DATA;

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    if args.first().is_none_or(|buffer| *buffer > LAST_BUFFER) {
        return Err(Status::BAD_ARGUMENT);
    }
    match (name, args) {
        ("proxy_get_buffer_bytes", &[kind, start, max_len, data, len]) => {
            let bytes = bytes(guest.proxy(), kind)?;
            let start = place(start).min(bytes.len());
            let end = start.saturating_add(place(max_len)).min(bytes.len());
            let part = bytes.get(start..end).unwrap_or_default().to_vec();
            guest.give(&part, data, len)
        }
        ("proxy_get_buffer_status", &[kind, len_at, flags_at]) => {
            let len = bytes(guest.proxy(), kind)?.len();
            guest.write_u32(len_at, super::len_u32(len))?;
            guest.write_u32(flags_at, 0)
        }
        ("proxy_set_buffer_bytes", &[kind, start, len, data, data_len]) => {
            bytes(guest.proxy(), kind)?;
            let data = guest.read(data, data_len)?;
            let body = body(guest.proxy(), kind).ok_or(Status::BAD_ARGUMENT)?;
            splice(&mut body.body, place(start), place(len), data)
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

/// What a buffer holds now. As in Envoy, one that holds nothing is empty, but for the configuration and the response to an
/// HTTP call, which are not found.
fn bytes(proxy: &mut Proxy, kind: u64) -> Answer<&[u8]> {
    match kind {
        HTTP_CALL_BODY => {
            let response = proxy.incoming.http_response.as_ref();
            Ok(&response.ok_or(Status::NOT_FOUND)?.body)
        }
        CALL_DATA => Ok(&proxy.incoming.call_data),
        GRPC_MESSAGE => Ok(&proxy.incoming.grpc_message),
        VM_CONFIGURATION => Ok(&proxy.vm_configuration),
        PLUGIN_CONFIGURATION => {
            let configuration = proxy.incoming.plugin_configuration.as_deref();
            configuration.ok_or(Status::NOT_FOUND)
        }
        REQUEST_BODY | RESPONSE_BODY | DOWNSTREAM_DATA | UPSTREAM_DATA => {
            Ok(body(proxy, kind).map_or(&[], |message| message.body.as_slice()))
        }
        _ => Err(Status::NOT_FOUND),
    }
}

/// The message whose body is that buffer, if the VM can reach it.
fn body(proxy: &mut Proxy, kind: u64) -> Option<&mut Message> {
    let stream = proxy.acting_stream()?;
    let message = match kind {
        REQUEST_BODY | DOWNSTREAM_DATA => &mut stream.request,
        RESPONSE_BODY | UPSTREAM_DATA => &mut stream.response,
        _ => return None,
    };
    message.reach.body.then_some(message)
}

/// Envoy puts bytes before a body, behind it, or in place of all of it, and nowhere else.
fn splice(body: &mut Vec<u8>, start: usize, len: usize, data: Vec<u8>) -> Answer {
    let range = if start >= body.len() && start > 0 {
        body.len()..body.len()
    } else if start == 0 && (len == 0 || len >= body.len()) {
        0..len.min(body.len())
    } else {
        return Err(Status::BAD_ARGUMENT);
    };
    body.splice(range, data);
    Ok(())
}

fn place(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
