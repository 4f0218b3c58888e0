//! What the host calls. See the ABI 0.2.1 for each.
#![expect(
    unsafe_code,
    reason = "exporting a function by its name counts as unsafe; one call says why it is sound"
)]

use crate::contexts;
use riskgate_filter_sdk::{CustomAttributes, Flow};

/// A request goes on to the next filter.
const ACTION_CONTINUE: u32 = 0;
/// A request stays where it is.
const ACTION_PAUSE: u32 = 1;
/// The answer to what cannot be refused.
const TRUE: u32 = 1;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// What [`filter!`](crate::filter) has a module do before all else: `attributes` makes what rules can read beyond what every
/// filter knows, for each root context.
pub fn begin(attributes: fn() -> Option<Box<dyn CustomAttributes>>) {
    // SAFETY: the linker makes this function to be called once, before all others, and that is here.
    unsafe { __wasm_call_ctors() };
    contexts::begin(attributes);
}

/// Its name says which version of the ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context_id: u32, parent_id: u32) {
    contexts::create(context_id, parent_id);
}

/// Also ends a root context: a proxy that finds no `proxy_on_done` deletes a context at once.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context_id: u32) {
    contexts::delete(context_id);
}

/// Always true: a configuration that cannot be used refuses requests, and must not stop Envoy or unfilter it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context_id: u32, len: usize) -> u32 {
    if let Some(root) = contexts::root(context_id) {
        root.configure(len);
    }
    TRUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context_id: u32) {
    if let Some(root) = contexts::root(context_id) {
        root.tick();
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(context_id: u32, _queue: u32) {
    if let Some(root) = contexts::root(context_id) {
        root.queue_ready();
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context_id: u32, _count: u32, end_of_stream: u32) -> u32 {
    action(contexts::request_headers(context_id, end_of_stream == 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context_id: u32, len: usize, end_of_stream: u32) -> u32 {
    action(contexts::request_body(
        context_id,
        Some(len),
        end_of_stream != 0,
    ))
}

/// They end the body, too.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context_id: u32, _count: u32) -> u32 {
    action(contexts::request_body(context_id, None, true))
}

/// Comes last while the response can be read, whoever gave it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context_id: u32) {
    contexts::response(context_id);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(context_id: u32, token: u32, len: usize) {
    if let Some(root) = contexts::root(context_id) {
        root.stream_message(token, len);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(context_id: u32, token: u32, status: u32) {
    if let Some(root) = contexts::root(context_id) {
        root.stream_close(token, status);
    }
}

fn action(flow: Flow) -> u32 {
    match flow {
        Flow::Continue => ACTION_CONTINUE,
        Flow::Wait | Flow::Answered => ACTION_PAUSE,
    }
}
