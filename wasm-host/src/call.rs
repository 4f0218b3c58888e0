//! The calls of module `env`: what the VM asks of the proxy.

use crate::Status;
use crate::fault::Fault;
use crate::guest::{Answer, Guest};
use crate::proxy::{LocalResponse, Metric, Stream, serialize_headers};

const MAP_REQUEST_HEADERS: u64 = 0;
const MAP_RESPONSE_HEADERS: u64 = 2;
const BUFFER_GRPC_MESSAGE: u64 = 5;
const BUFFER_PLUGIN_CONFIGURATION: u64 = 7;

/// Does what a call asks for, or what was injected in its place.
pub(crate) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match guest.proxy().faults.next(name) {
        None => work(guest, name, args),
        Some(Fault::Status(0)) => Ok(()),
        Some(Fault::Status(status)) => Err(status),
        Some(Fault::Buffer(bytes)) => {
            let (data_at, len_at) = buffer_slots(name, args)?;
            guest.give(&bytes, data_at, len_at)
        }
        Some(Fault::Pointer { data, len }) => {
            let (data_at, len_at) = buffer_slots(name, args)?;
            guest.write_u32(data_at, data)?;
            guest.write_u32(len_at, len)
        }
        Some(Fault::Callback {
            name: callback,
            args: callback_args,
        }) => {
            guest.call_back(&callback, &callback_args);
            work(guest, name, args)
        }
        Some(Fault::Number(value)) => {
            work(guest, name, args)?;
            match (name, args) {
                ("proxy_get_current_time_nanoseconds", &[at]) => {
                    guest.write(at, &value.to_le_bytes())
                }
                ("proxy_define_metric" | "proxy_grpc_stream", &[.., at]) => {
                    guest.write_u32(at, low_half(value))
                }
                _ => Err(Status::UNIMPLEMENTED),
            }
        }
    }
}

/// Where a call that returns a buffer puts its address and its length.
fn buffer_slots(name: &str, args: &[u64]) -> Answer<(u64, u64)> {
    match (name, args) {
        ("proxy_get_buffer_bytes", &[_, _, _, data, len])
        | ("proxy_get_header_map_pairs", &[_, data, len])
        | ("proxy_get_property", &[_, _, data, len])
        | ("proxy_get_shared_data", &[_, _, data, len, _]) => Ok((data, len)),
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn work(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_log", &[level, data, len]) => {
            let line = guest.read_text(data, len)?;
            guest.proxy().log.push((low_half(level), line));
            Ok(())
        }
        ("proxy_get_current_time_nanoseconds", &[at]) => {
            let now_ns = guest.proxy().now_ns;
            guest.write(at, &now_ns.to_le_bytes())
        }
        ("proxy_set_tick_period_milliseconds", &[period_ms]) => {
            guest.proxy().tick_period_ms = Some(low_half(period_ms));
            Ok(())
        }
        ("proxy_set_effective_context", _) => Ok(()),
        ("proxy_get_buffer_bytes", &[buffer, start, max_len, data, len]) => {
            get_buffer(guest, buffer, (start, max_len), (data, len))
        }
        ("proxy_get_property", &[path, path_len, data, len]) => {
            let path = guest.read(path, path_len)?;
            let value = guest
                .proxy()
                .properties
                .get(&path)
                .cloned()
                .ok_or(Status::NOT_FOUND)?;
            guest.give(&value, data, len)
        }
        ("proxy_set_property", &[path, path_len, value, value_len]) => {
            let (path, value) = (guest.read(path, path_len)?, guest.read(value, value_len)?);
            guest.proxy().set_properties.insert(path, value);
            Ok(())
        }
        (_, args) if name.contains("header_map") => headers(guest, name, args),
        (_, args) if name.contains("shared_data") => shared_data(guest, name, args),
        (_, args) if name.contains("metric") => metrics(guest, name, args),
        (_, args) if name.contains("grpc") => streams(guest, name, args),
        ("proxy_send_local_response", &[status, _, _, body, body_len, map, map_len, _]) => {
            let response = LocalResponse {
                status: low_half(status),
                headers: guest.read(map, map_len)?,
                body: guest.read(body, body_len)?,
            };
            guest.proxy().local_response = Some(response);
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn get_buffer(
    guest: &mut Guest<'_, '_>,
    buffer: u64,
    (start, max_len): (u64, u64),
    out: (u64, u64),
) -> Answer {
    let bytes = match buffer {
        BUFFER_GRPC_MESSAGE => guest.proxy().grpc_message.clone(),
        BUFFER_PLUGIN_CONFIGURATION => guest.proxy().plugin_configuration.clone(),
        _ => return Err(Status::NOT_FOUND),
    };
    let start = usize::try_from(start).map_err(|_| Status::BAD_ARGUMENT)?;
    let end = start
        .saturating_add(usize::try_from(max_len).unwrap_or(usize::MAX))
        .min(bytes.len());
    let part = bytes.get(start..end).ok_or(Status::BAD_ARGUMENT)?;
    guest.give(part, out.0, out.1)
}

fn headers(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_get_header_map_pairs", &[MAP_REQUEST_HEADERS, data, len]) => {
            let map = serialize_headers(&guest.proxy().request_headers);
            guest.give(&map, data, len)
        }
        ("proxy_get_header_map_pairs", &[MAP_RESPONSE_HEADERS, data, len]) => {
            let map = serialize_headers(&guest.proxy().response_headers);
            guest.give(&map, data, len)
        }
        (
            "proxy_replace_header_map_value",
            &[MAP_REQUEST_HEADERS, key, key_len, value, value_len],
        ) => {
            let (key, value) = (guest.read(key, key_len)?, guest.read(value, value_len)?);
            let headers = &mut guest.proxy().request_headers;
            headers.retain(|(name, _)| *name != key);
            headers.push((key, value));
            Ok(())
        }
        ("proxy_remove_header_map_value", &[MAP_REQUEST_HEADERS, key, key_len]) => {
            let key = guest.read(key, key_len)?;
            guest
                .proxy()
                .request_headers
                .retain(|(name, _)| *name != key);
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn shared_data(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_get_shared_data", &[key, key_len, data, len, cas_at]) => {
            let key = guest.read(key, key_len)?;
            let held = guest.proxy().shared_data.get(&key);
            let (value, cas) = held.ok_or(Status::NOT_FOUND)?;
            guest.give(&value, data, len)?;
            guest.write_u32(cas_at, cas)
        }
        ("proxy_set_shared_data", &[key, key_len, value, value_len, cas]) => {
            let (key, value) = (guest.read(key, key_len)?, guest.read(value, value_len)?);
            let shared_data = &guest.proxy().shared_data;
            shared_data.compare_and_set(&key, &value, low_half(cas))
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn metrics(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_define_metric", &[_, data, len, at]) => {
            let name = guest.read_text(data, len)?;
            let metrics = &mut guest.proxy().metrics;
            let place = metrics
                .iter()
                .position(|metric| metric.name == name)
                .unwrap_or_else(|| {
                    metrics.push(Metric { name, value: 0 });
                    metrics.len() - 1
                });
            guest.write_u32(at, id(place))
        }
        ("proxy_increment_metric", &[id, by]) => {
            let metric = by_id(&mut guest.proxy().metrics, id)?;
            metric.value = metric.value.saturating_add(by.cast_signed());
            Ok(())
        }
        ("proxy_record_metric", &[id, value]) => {
            by_id(&mut guest.proxy().metrics, id)?.value = value.cast_signed();
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn streams(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
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
                _,
                _,
                at,
            ],
        ) => {
            let upstream = guest.read(upstream, upstream_len)?;
            // Envoy parses a message first and looks for a cluster of that name then.
            if !upstream.starts_with(b"\x0a") {
                return Err(Status::PARSE_FAILURE);
            }
            let method = (
                guest.read_text(service, service_len)?,
                guest.read_text(method, method_len)?,
            );
            let streams = &mut guest.proxy().streams;
            streams.push(Stream {
                upstream,
                method,
                ..Stream::default()
            });
            let token = id(streams.len() - 1);
            guest.write_u32(at, token)
        }
        ("proxy_grpc_send", &[token, data, len, _]) => {
            let message = guest.read(data, len)?;
            by_id(&mut guest.proxy().streams, token)?.sent.push(message);
            Ok(())
        }
        ("proxy_grpc_cancel", &[token]) => {
            by_id(&mut guest.proxy().streams, token)?.cancelled = true;
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn by_id<T>(things: &mut [T], id: u64) -> Answer<&mut T> {
    let place = usize::try_from(id)
        .ok()
        .and_then(|id| id.checked_sub(1))
        .ok_or(Status::NOT_FOUND)?;
    things.get_mut(place).ok_or(Status::NOT_FOUND)
}

fn id(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
}

fn low_half(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}
