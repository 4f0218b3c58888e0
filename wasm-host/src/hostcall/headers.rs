//! Header maps.

use crate::guest::{Answer, Guest};
use crate::http_stream::{Headers, Message};
use crate::{Status, maps};

const REQUEST_HEADERS: u64 = 0;
const REQUEST_TRAILERS: u64 = 1;
const RESPONSE_HEADERS: u64 = 2;
const RESPONSE_TRAILERS: u64 = 3;
const GRPC_INITIAL_METADATA: u64 = 4;
const GRPC_TRAILING_METADATA: u64 = 5;
const HTTP_CALL_HEADERS: u64 = 6;
const HTTP_CALL_TRAILERS: u64 = 7;
const LAST_MAP: u64 = HTTP_CALL_TRAILERS;

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    if args.first().is_none_or(|map| *map > LAST_MAP) {
        return Err(Status::BAD_ARGUMENT);
    }
    match (name, args) {
        ("proxy_get_header_map_pairs", &[kind, data, len]) => {
            // A map out of reach has no pairs.
            let pairs = map(guest, kind).map_or_else(|_| Headers::new(), |map| map.clone());
            let pairs = if pairs.is_empty() {
                Vec::new()
            } else {
                maps::serialize(&pairs)
            };
            guest.give(&pairs, data, len)
        }
        ("proxy_set_header_map_pairs", &[kind, data, len]) => {
            let pairs = maps::parse(&guest.read(data, len)?).unwrap_or_default();
            let lower = |(name, value): (Vec<u8>, _)| (name.to_ascii_lowercase(), value);
            *map(guest, kind)? = pairs.into_iter().map(lower).collect();
            Ok(())
        }
        ("proxy_get_header_map_size", &[kind, at]) => {
            let sizes = map(guest, kind)?.iter();
            let size: usize = sizes.map(|(name, value)| name.len() + value.len()).sum();
            guest.write_u32(at, super::len_u32(size))
        }
        ("proxy_get_header_map_value", &[kind, key, key_len, data, len]) => {
            let key = lower_key(guest, key, key_len)?;
            let map = map(guest, kind)?;
            let first = map.iter().find(|(name, _)| *name == key);
            let value = first.ok_or(Status::NOT_FOUND)?.1.clone();
            guest.give(&value, data, len)
        }
        ("proxy_add_header_map_value", &[kind, key, key_len, value, value_len]) => {
            let pair = (
                lower_key(guest, key, key_len)?,
                guest.read(value, value_len)?,
            );
            map(guest, kind)?.push(pair);
            Ok(())
        }
        ("proxy_replace_header_map_value", &[kind, key, key_len, value, value_len]) => {
            let key = lower_key(guest, key, key_len)?;
            let value = guest.read(value, value_len)?;
            let map = map(guest, kind)?;
            map.retain(|(name, _)| *name != key);
            map.push((key, value));
            Ok(())
        }
        ("proxy_remove_header_map_value", &[kind, key, key_len]) => {
            let key = lower_key(guest, key, key_len)?;
            map(guest, kind)?.retain(|(name, _)| *name != key);
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

/// Envoy keeps names in lower case, whatever the VM writes.
fn lower_key(guest: &Guest<'_, '_>, key: u64, key_len: u64) -> Answer<Vec<u8>> {
    Ok(guest.read(key, key_len)?.to_ascii_lowercase())
}

/// A map that is within reach of the context that acts.
fn map<'g>(guest: &'g mut Guest<'_, '_>, kind: u64) -> Answer<&'g mut Headers> {
    let proxy = guest.proxy();
    match kind {
        GRPC_INITIAL_METADATA => {
            let map = proxy.incoming.grpc_initial_metadata.as_mut();
            return map.ok_or(Status::BAD_ARGUMENT);
        }
        GRPC_TRAILING_METADATA => {
            let map = proxy.incoming.grpc_trailing_metadata.as_mut();
            return map.ok_or(Status::BAD_ARGUMENT);
        }
        HTTP_CALL_HEADERS | HTTP_CALL_TRAILERS => {
            let response = proxy.incoming.http_response.as_mut();
            let response = response.ok_or(Status::BAD_ARGUMENT)?;
            return Ok(match kind {
                HTTP_CALL_HEADERS => &mut response.headers,
                _ => &mut response.trailers,
            });
        }
        _ => {}
    }
    let stream = proxy.acting_stream().ok_or(Status::BAD_ARGUMENT)?;
    let within_reach = match kind {
        REQUEST_HEADERS => headers(&mut stream.request),
        REQUEST_TRAILERS => trailers(&mut stream.request),
        RESPONSE_HEADERS => headers(&mut stream.response),
        RESPONSE_TRAILERS => trailers(&mut stream.response),
        _ => None,
    };
    within_reach.ok_or(Status::BAD_ARGUMENT)
}

fn headers(message: &mut Message) -> Option<&mut Headers> {
    message.reach.headers.then_some(&mut message.headers)
}

fn trailers(message: &mut Message) -> Option<&mut Headers> {
    message.reach.trailers.then_some(&mut message.trailers)
}
