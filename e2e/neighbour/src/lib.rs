//! A proxy-wasm plugin with the `vm_id` of others, which does to their shared data and queues whatever a request asks for.
//! It decides nothing, and no proxy but that of a test should run it.
//!
//! | request | does | answers |
//! | --- | --- | --- |
//! | `GET /data/KEY` | reads | 200 and the value, or 404 |
//! | `PUT /data/KEY` | writes the value that `x-value` has in hex, or `x-fill` bytes | 200 |
//! | `DELETE /queue/NAME` | takes out every message | 200 and how many, or 404 |
//! | `PUT /queue/NAME` | puts in a message | 200, or 404 |
//! | `POST /queue/NAME` | registers the queue as its own | 200 |

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

/// What the host calls once in each VM, before anything else.
mod start {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(super::Root));
    }}
}

/// Messages that are taken out at most.
const DRAINED_MAX: usize = 1_000_000;

/// What a filled value consists of.
const FILLING: u8 = 0xa5;

struct Root;

struct Request;

/// Status and body.
type Answer = (u32, Vec<u8>);

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let (status, body) = self.act().unwrap_or((404, Vec::new()));
        self.send_http_response(status, Vec::new(), Some(&body));
        Action::Pause
    }
}

impl Request {
    /// Does what the request asks for; nothing if that is not there.
    fn act(&self) -> Option<Answer> {
        let method = self.get_http_request_header(":method")?;
        let path = self.get_http_request_header(":path")?;
        if let Some(key) = path.strip_prefix("/data/") {
            match &method[..] {
                "GET" => hostcalls::get_shared_data(key)
                    .ok()?
                    .0
                    .map(|value| (200, value)),
                "PUT" => self.write(key),
                _ => None,
            }
        } else if let Some(name) = path.strip_prefix("/queue/") {
            match &method[..] {
                "DELETE" => drain(name),
                "PUT" => self.inject(name),
                "POST" => hostcalls::register_shared_queue(name).ok().map(|_| done()),
                _ => None,
            }
        } else {
            None
        }
    }

    /// Without a version, so over whatever is there.
    fn write(&self, key: &str) -> Option<Answer> {
        hostcalls::set_shared_data(key, Some(&self.value()?), None).ok()?;
        Some(done())
    }

    fn inject(&self, name: &str) -> Option<Answer> {
        let queue = hostcalls::resolve_shared_queue("", name).ok()??;
        hostcalls::enqueue_shared_queue(queue, Some(&self.value()?)).ok()?;
        Some(done())
    }

    fn value(&self) -> Option<Vec<u8>> {
        if let Some(len) = self.get_http_request_header("x-fill") {
            return Some(vec![FILLING; len.parse().ok()?]);
        }
        let hex = self.get_http_request_header("x-value")?;
        let digits = hex.as_bytes().chunks(2);
        let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
        digits.map(byte).collect()
    }
}

fn drain(name: &str) -> Option<Answer> {
    let queue = hostcalls::resolve_shared_queue("", name).ok()??;
    let mut drained = 0;
    while drained < DRAINED_MAX
        && let Ok(Some(_)) = hostcalls::dequeue_shared_queue(queue)
    {
        drained += 1;
    }
    Some((200, drained.to_string().into_bytes()))
}

fn done() -> Answer {
    (200, Vec::new())
}
