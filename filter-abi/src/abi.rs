//! The calls of the proxy-wasm ABI 0.2.1 that this filter makes.
//!
//! Every call returns a `Result`, whatever the host answers: statuses are plain numbers here, so that no number is
//! one that cannot be, and a buffer is taken over only when pointer and length make one.
#![expect(
    unsafe_code,
    reason = "the host's functions are foreign; each block says why it is sound"
)]

use crate::room::{self, Answer};
use riskgate_filter_sdk::config::Cluster;
use riskgate_filter_sdk::headers;
use riskgate_filter_sdk::host::{
    Host, HostError, Level, MetricKind, PUSH_SERVICE, SUBSCRIBE_METHOD, Version,
};

const STATUS_OK: u32 = 0;
const STATUS_NOT_FOUND: u32 = 1;
const STATUS_EMPTY: u32 = 7;
const STATUS_CAS_MISMATCH: u32 = 8;

/// Of WASI's clocks.
const CLOCK_MONOTONIC: u32 = 1;
/// As exact as the host can.
const CLOCK_PRECISION_NS: u64 = 1;

const MAP_REQUEST_HEADERS: u32 = 0;
const MAP_RESPONSE_HEADERS: u32 = 2;
const BUFFER_REQUEST_BODY: u32 = 0;
const BUFFER_GRPC_MESSAGE: u32 = 5;
const BUFFER_PLUGIN_CONFIGURATION: u32 = 7;
/// Stands for the `vm_id` of the VM that asks.
const OWN_VM_ID: &str = "";
/// No value that is read without its version is longer, in bytes.
const SHORT_VALUE_LEN_MAX: usize = 4 << 10;
/// No message in a queue is longer, in bytes.
const WAKE_UP_LEN_MAX: usize = 64;
/// Writes whatever is under the key.
const CAS_ANY: u32 = 0;
/// Writes only if nothing is under the key.
const CAS_ABSENT: u32 = u32::MAX;
/// Lets Envoy choose the gRPC status of an answer to a gRPC request.
const GRPC_STATUS_UNSET: u32 = u32::MAX;
/// Metadata of a stream, serialized: none.
const NO_METADATA: [u8; 4] = [0; 4];

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, message_len: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(now_ns: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period_ms: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        cas: u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, name_len: usize, token: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(
        vm_id: *const u8,
        vm_id_len: usize,
        name: *const u8,
        name_len: usize,
        token: *mut u32,
    ) -> u32;
    fn proxy_enqueue_shared_queue(token: u32, message: *const u8, message_len: usize) -> u32;
    fn proxy_dequeue_shared_queue(token: u32, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_grpc_stream(
        upstream: *const u8,
        upstream_len: usize,
        service: *const u8,
        service_len: usize,
        method: *const u8,
        method_len: usize,
        metadata: *const u8,
        metadata_len: usize,
        token: *mut u32,
    ) -> u32;
    fn proxy_grpc_send(token: u32, message: *const u8, message_len: usize, end_stream: u32) -> u32;
    fn proxy_grpc_cancel(token: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(out: *mut u8, len: usize) -> u32;
    fn clock_time_get(clock: u32, precision_ns: u64, now_ns: *mut u64) -> u32;
}

/// The proxy around this VM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envoy;

/// The configuration whose callback runs, of `len` bytes.
pub(crate) fn plugin_configuration(len: usize) -> Result<Vec<u8>, HostError> {
    buffer(BUFFER_PLUGIN_CONFIGURATION, len)
}

impl Host for Envoy {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        // SAFETY: pointer and length are those of a live slice, which the host reads only.
        // Where a line that cannot be logged could be reported there is nowhere.
        let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
    }

    fn now_ns(&self) -> Result<u64, HostError> {
        let mut now_ns = 0;
        // SAFETY: `now_ns` is live.
        check(unsafe { proxy_get_current_time_nanoseconds(&raw mut now_ns) })?;
        Ok(now_ns)
    }

    fn monotonic_ns(&self) -> Result<u64, HostError> {
        let mut now_ns = 0;
        // SAFETY: `now_ns` is live.
        check(unsafe { clock_time_get(CLOCK_MONOTONIC, CLOCK_PRECISION_NS, &raw mut now_ns) })?;
        Ok(now_ns)
    }

    fn random(&self, out: &mut [u8]) -> Result<(), HostError> {
        // SAFETY: pointer and length are those of a live slice that nobody else uses.
        check(unsafe { random_get(out.as_mut_ptr(), out.len()) })
    }

    fn set_tick_period(&self, period_ms: u32) -> Result<(), HostError> {
        // SAFETY: passes a number.
        check(unsafe { proxy_set_tick_period_milliseconds(period_ms) })
    }

    fn shared_data(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        let mut value = Vec::new();
        Ok(get_shared_data(key, SHORT_VALUE_LEN_MAX, &mut value)?.map(|_| value))
    }

    fn create_shared_data(&self, key: &str, value: &[u8]) -> Result<bool, HostError> {
        set_shared_data(key, value, CAS_ABSENT)
    }

    fn shared_data_version(
        &self,
        key: &str,
        max_len: usize,
        value: &mut Vec<u8>,
    ) -> Result<Option<Version>, HostError> {
        match get_shared_data(key, max_len, value)? {
            None => Ok(None),
            Some(cas) => Version::new(cas).map(Some).ok_or(HostError::Buffer),
        }
    }

    fn replace_shared_data(
        &self,
        key: &str,
        value: &[u8],
        version: Version,
    ) -> Result<bool, HostError> {
        set_shared_data(key, value, version.number())
    }

    fn register_queue(&self, name: &str) -> Result<u32, HostError> {
        let mut token = 0;
        // SAFETY: pointer and length are those of a live slice, which the host reads only; `token` is live.
        check(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut token) })?;
        Ok(token)
    }

    fn resolve_queue(&self, name: &str) -> Result<Option<u32>, HostError> {
        let mut token = 0;
        // SAFETY: each pointer and length are those of a live slice, which the host reads only; `token` is live.
        let status = unsafe {
            proxy_resolve_shared_queue(
                OWN_VM_ID.as_ptr(),
                OWN_VM_ID.len(),
                name.as_ptr(),
                name.len(),
                &raw mut token,
            )
        };
        Ok(unless_not_found(status)?.then_some(token))
    }

    fn enqueue(&self, queue: u32, message: &[u8]) -> Result<(), HostError> {
        // SAFETY: pointer and length are those of a live slice, which the host reads only.
        check(unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
    }

    fn dequeue(&self, queue: u32, message: &mut Vec<u8>) -> Result<bool, HostError> {
        let taken = room::filled_up_to(WAKE_UP_LEN_MAX, message, |answer: &mut Answer| {
            // SAFETY: the out-values are live.
            let status = unsafe {
                proxy_dequeue_shared_queue(queue, &raw mut answer.data, &raw mut answer.len)
            };
            match status {
                STATUS_EMPTY => Ok(false),
                _ => unless_not_found(status),
            }
        });
        match taken {
            // The host has dropped it.
            Err(HostError::TooLong) => Ok(true),
            taken => taken,
        }
    }

    fn property(&self, path: &str, value: &mut Vec<u8>) -> Result<bool, HostError> {
        room::filled(value, |answer: &mut Answer| {
            // SAFETY: pointer and length are those of a live slice, which the host reads only; the out-values are live.
            let status = unsafe {
                proxy_get_property(
                    path.as_ptr(),
                    path.len(),
                    &raw mut answer.data,
                    &raw mut answer.len,
                )
            };
            unless_not_found(status)
        })
    }

    fn set_property(&self, path: &str, value: &[u8]) -> Result<(), HostError> {
        // SAFETY: each pointer and length are those of a live slice, which the host reads only.
        check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
    }

    fn request_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError> {
        header_map(MAP_REQUEST_HEADERS, map)
    }

    fn request_body(&self, max_len: usize, body: &mut Vec<u8>) -> Result<(), HostError> {
        let found = room::filled(body, |answer: &mut Answer| {
            // SAFETY: the out-values are live.
            let status = unsafe {
                proxy_get_buffer_bytes(
                    BUFFER_REQUEST_BODY,
                    0,
                    max_len,
                    &raw mut answer.data,
                    &raw mut answer.len,
                )
            };
            unless_not_found(status)
        })?;
        if !found {
            body.clear();
        }
        Ok(())
    }

    fn response_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError> {
        header_map(MAP_RESPONSE_HEADERS, map)
    }

    fn replace_request_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostError> {
        // SAFETY: each pointer and length are those of a live slice, which the host reads only.
        check(unsafe {
            proxy_replace_header_map_value(
                MAP_REQUEST_HEADERS,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn remove_request_header(&self, name: &[u8]) -> Result<(), HostError> {
        // SAFETY: pointer and length are those of a live slice, which the host reads only.
        check(unsafe {
            proxy_remove_header_map_value(MAP_REQUEST_HEADERS, name.as_ptr(), name.len())
        })
    }

    fn send_local_response(
        &self,
        status: u16,
        headers: &[headers::Header<'_>],
        body: &[u8],
    ) -> Result<(), HostError> {
        const DETAILS: &str = "riskgate";
        let headers = headers::encode(headers).ok_or(HostError::Buffer)?;
        // SAFETY: each pointer and length are those of a live slice, which the host reads only.
        check(unsafe {
            proxy_send_local_response(
                status.into(),
                DETAILS.as_ptr(),
                DETAILS.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                GRPC_STATUS_UNSET,
            )
        })
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, HostError> {
        let kind = match kind {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
        };
        let mut id = 0;
        // SAFETY: pointer and length are those of a live slice, which the host reads only; `id` is live.
        check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
        Ok(id)
    }

    fn increment_metric(&self, id: u32, by: i64) -> Result<(), HostError> {
        // SAFETY: passes numbers.
        check(unsafe { proxy_increment_metric(id, by) })
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError> {
        // SAFETY: passes numbers.
        check(unsafe { proxy_record_metric(id, value) })
    }

    fn open_stream(&self, cluster: &Cluster) -> Result<u32, HostError> {
        let upstream = cluster.grpc_service();
        let mut token = 0;
        // SAFETY: each pointer and length are those of a live slice, which the host reads only; `token` is live.
        check(unsafe {
            proxy_grpc_stream(
                upstream.as_ptr(),
                upstream.len(),
                PUSH_SERVICE.as_ptr(),
                PUSH_SERVICE.len(),
                SUBSCRIBE_METHOD.as_ptr(),
                SUBSCRIBE_METHOD.len(),
                NO_METADATA.as_ptr(),
                NO_METADATA.len(),
                &raw mut token,
            )
        })?;
        Ok(token)
    }

    fn send_message(&self, stream: u32, message: &[u8]) -> Result<(), HostError> {
        // SAFETY: pointer and length are those of a live slice, which the host reads only.
        check(unsafe { proxy_grpc_send(stream, message.as_ptr(), message.len(), 0) })
    }

    fn cancel_stream(&self, stream: u32) -> Result<(), HostError> {
        // SAFETY: passes a number.
        check(unsafe { proxy_grpc_cancel(stream) })
    }

    fn received_message(&self, len: usize) -> Result<Vec<u8>, HostError> {
        buffer(BUFFER_GRPC_MESSAGE, len)
    }
}

fn check(status: u32) -> Result<(), HostError> {
    match status {
        STATUS_OK => Ok(()),
        _ => Err(HostError::Status(status)),
    }
}

/// Whether there was anything.
fn unless_not_found(status: u32) -> Result<bool, HostError> {
    match status {
        STATUS_NOT_FOUND => Ok(false),
        _ => check(status).map(|()| true),
    }
}

/// What is under `key`, and its number for compare-and-swap. What is too long is emptied: the host tells its number to
/// those only who take it.
fn get_shared_data(
    key: &str,
    max_len: usize,
    value: &mut Vec<u8>,
) -> Result<Option<u32>, HostError> {
    match read_shared_data(key, max_len, value) {
        Err(HostError::TooLong) => {
            set_shared_data(key, &[], CAS_ANY)?;
            read_shared_data(key, max_len, value)
        }
        read => read,
    }
}

fn read_shared_data(
    key: &str,
    max_len: usize,
    value: &mut Vec<u8>,
) -> Result<Option<u32>, HostError> {
    let mut cas = 0;
    let found = room::filled_up_to(max_len, value, |answer: &mut Answer| {
        // SAFETY: pointer and length are those of a live slice, which the host reads only; the out-values are live.
        let status = unsafe {
            proxy_get_shared_data(
                key.as_ptr(),
                key.len(),
                &raw mut answer.data,
                &raw mut answer.len,
                &raw mut cas,
            )
        };
        unless_not_found(status)
    })?;
    Ok(found.then_some(cas))
}

/// Writes if `cas` is the number of what is under `key`.
fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<bool, HostError> {
    // SAFETY: each pointer and length are those of a live slice, which the host reads only.
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    match status {
        STATUS_CAS_MISMATCH => Ok(false),
        _ => check(status).map(|()| true),
    }
}

fn header_map(map: u32, pairs: &mut Vec<u8>) -> Result<(), HostError> {
    room::filled(pairs, |answer: &mut Answer| {
        // SAFETY: the out-values are live.
        check(unsafe {
            proxy_get_header_map_pairs(map, &raw mut answer.data, &raw mut answer.len)
        })?;
        Ok(true)
    })?;
    Ok(())
}

fn buffer(buffer: u32, len: usize) -> Result<Vec<u8>, HostError> {
    let mut bytes = Vec::new();
    room::filled(&mut bytes, |answer: &mut Answer| {
        // SAFETY: the out-values are live.
        check(unsafe {
            proxy_get_buffer_bytes(buffer, 0, len, &raw mut answer.data, &raw mut answer.len)
        })?;
        Ok(true)
    })?;
    if bytes.len() > len {
        Err(HostError::Buffer)
    } else {
        Ok(bytes)
    }
}
