//! The calls of module `env`: what the VM asks of the proxy.

use crate::Status;
use crate::fault::Fault;
use crate::guest::{Answer, Guest};

mod buffers;
mod callouts;
mod headers;
mod metrics;
mod properties;
mod reply;
mod shared;

/// Critical.
const LOG_LEVEL_MAX: u64 = 5;

/// Does what a call asks for, or what was injected in its place.
pub(crate) fn run(
    guest: &mut Guest<'_, '_>,
    name: &str,
    args: &[u64],
    fault: Option<Fault>,
) -> Answer {
    match fault {
        None => work(guest, name, args),
        Some(Fault::Status(0)) => Ok(()),
        Some(Fault::Status(status)) => Err(status),
        // The caller of this function traps.
        Some(Fault::Trap) => Err(Status::INTERNAL_FAILURE),
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
            give_number(guest, name, args, value)
        }
    }
}

/// Where a call that returns a buffer puts its address and its length.
fn buffer_slots(name: &str, args: &[u64]) -> Answer<(u64, u64)> {
    match (name, args) {
        ("proxy_get_buffer_bytes", &[_, _, _, data, len])
        | ("proxy_get_header_map_pairs", &[_, data, len])
        | ("proxy_get_header_map_value", &[_, _, _, data, len])
        | ("proxy_get_property", &[_, _, data, len])
        | ("proxy_dequeue_shared_queue" | "proxy_get_status", &[_, data, len])
        | ("proxy_call_foreign_function", &[_, _, _, _, data, len])
        | ("proxy_get_shared_data", &[_, _, data, len, _]) => Ok((data, len)),
        _ => Err(Status::UNIMPLEMENTED),
    }
}

/// Puts a number where a call returns one.
fn give_number(guest: &mut Guest<'_, '_>, name: &str, args: &[u64], value: u64) -> Answer {
    match (name, args) {
        ("proxy_get_current_time_nanoseconds" | "proxy_get_metric", &[.., at]) => {
            guest.write(at, &value.to_le_bytes())
        }
        (
            "proxy_define_metric"
            | "proxy_grpc_call"
            | "proxy_grpc_stream"
            | "proxy_http_call"
            | "proxy_get_log_level"
            | "proxy_get_header_map_size"
            | "proxy_register_shared_queue"
            | "proxy_resolve_shared_queue"
            | "proxy_get_shared_data",
            &[.., at],
        ) => guest.write_u32(at, low_half(value)),
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn work(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_log", &[level, data, len]) => {
            if level > LOG_LEVEL_MAX {
                return Err(Status::BAD_ARGUMENT);
            }
            let line = guest.read_text(data, len)?;
            guest.proxy().log.push((low_half(level), line));
            Ok(())
        }
        ("proxy_get_current_time_nanoseconds", &[at]) => {
            let now_ns = guest.proxy().now_ns;
            guest.write(at, &now_ns.to_le_bytes())
        }
        ("proxy_set_tick_period_milliseconds", &[period_ms]) => {
            let proxy = guest.proxy();
            let root = proxy.contexts.acting_root();
            let now_ns = proxy.monotonic_ns;
            proxy.timers.set(root, low_half(period_ms), now_ns);
            Ok(())
        }
        ("proxy_set_effective_context", &[id]) => {
            let exists = guest.proxy().contexts.set_effective(low_half(id));
            exists.then_some(()).ok_or(Status::BAD_ARGUMENT)
        }
        (_, args) if name.contains("header_map") => headers::run(guest, name, args),
        (_, args) if name.contains("buffer") => buffers::run(guest, name, args),
        (_, args) if name.contains("property") => properties::run(guest, name, args),
        (_, args) if name.contains("shared") => shared::run(guest, name, args),
        (_, args) if name.contains("metric") => metrics::run(guest, name, args),
        (_, args) if name.contains("grpc") || name == "proxy_http_call" => {
            callouts::run(guest, name, args)
        }
        ("proxy_get_log_level", &[at]) => {
            let level = guest.proxy().log_level;
            guest.write_u32(at, level)
        }
        ("proxy_get_status", &[code_at, data, len]) => {
            let (code, message) = guest.proxy().incoming.status.clone();
            guest.write_u32(code_at, code)?;
            guest.give(&message, data, len)
        }
        ("proxy_done", &[]) => {
            let contexts = &mut guest.proxy().contexts;
            let root = contexts.acting();
            contexts.finish(root).then_some(()).ok_or(Status::NOT_FOUND)
        }
        ("proxy_call_foreign_function", args) => call_foreign_function(guest, args),
        ("emscripten_notify_memory_growth", _) => Ok(()),
        // What it returns is whether they are the same, and no status.
        ("pthread_equal", &[left, right]) if left == right => Err(1),
        ("pthread_equal", _) => Ok(()),
        _ => reply::run(guest, name, args),
    }
}

fn call_foreign_function(guest: &mut Guest<'_, '_>, args: &[u64]) -> Answer {
    let &[name, name_len, argument, argument_len, data, len] = args else {
        return Err(Status::UNIMPLEMENTED);
    };
    let name = guest.read_text(name, name_len)?;
    let argument = guest.read(argument, argument_len)?;
    let function = guest.proxy().foreign_functions.get_mut(&name);
    let result = function.ok_or(Status::NOT_FOUND)?.call(&argument)?;
    // Who does not want the result gives no place for it.
    match (data, len) {
        (0, 0) => Ok(()),
        _ => guest.give(&result, data, len),
    }
}

fn low_half(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
