//! What becomes of an exchange: an answer in place of the upstream's, going on, the end.

use super::low_half;
use crate::Status;
use crate::guest::{Answer, Guest};
use crate::http_stream::{HttpStream, LocalResponse, Message};

const REQUEST: u64 = 0;
const RESPONSE: u64 = 1;
/// Of a TCP connection.
const DOWNSTREAM: u64 = 2;
const UPSTREAM: u64 = 3;

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        (
            "proxy_send_local_response",
            &[
                status,
                details,
                details_len,
                body,
                body_len,
                map,
                map_len,
                grpc_status,
            ],
        ) => {
            let response = LocalResponse {
                status: low_half(status),
                headers: guest.read(map, map_len)?,
                body: guest.read(body, body_len)?,
                details: guest.read(details, details_len)?,
                grpc_status: low_half(grpc_status).cast_signed(),
            };
            let proxy = guest.proxy();
            proxy.stop_iteration = true;
            if let Some(stream) = proxy.acting_stream() {
                stream.local_response.get_or_insert(response);
            }
            Ok(())
        }
        ("proxy_continue_stream", &[kind @ (REQUEST | RESPONSE)]) => {
            with_message(guest, kind, |message| message.continued = true);
            Ok(())
        }
        ("proxy_close_stream", &[kind @ (REQUEST | RESPONSE | DOWNSTREAM | UPSTREAM)]) => {
            with_message(guest, kind, |message| message.closed = true);
            Ok(())
        }
        ("proxy_continue_stream" | "proxy_close_stream", _) => Err(Status::BAD_ARGUMENT),
        _ => Err(Status::UNIMPLEMENTED),
    }
}

/// Where there is no exchange, there is nothing to do, and Envoy says nothing of it.
fn with_message(guest: &mut Guest<'_, '_>, kind: u64, act: impl FnOnce(&mut Message)) {
    let pick = |stream| -> &mut Message {
        let stream: &mut HttpStream = stream;
        if matches!(kind, REQUEST | DOWNSTREAM) {
            &mut stream.request
        } else {
            &mut stream.response
        }
    };
    if let Some(stream) = guest.proxy().acting_stream() {
        act(pick(stream));
    }
}
