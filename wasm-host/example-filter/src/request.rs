//! A request, which says itself what becomes of it.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_millis(250);
const MIB: usize = 1 << 20;

/// `x-do` is one of:
///
/// - `mark`: gets headers, keeps a property, and changes the response
/// - `refuse`: is answered here
/// - `upper`: its body goes on in capitals
/// - `ask CLUSTER`: another service says over HTTP what the header `x-answer` is to be
/// - `call CLUSTER`: the same over gRPC
/// - `enqueue NAME`: tells whoever listens to that queue
/// - `foreign NAME`: asks a function that the proxy may have
/// - `take MIB`: takes so much memory
/// - `trap`: ends the VM
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Its body has to be whole before it goes on.
    wants_body: bool,
    /// Its response is marked.
    marks: bool,
}

impl Request {
    fn answer(&self, value: &str) {
        self.set_http_request_header("x-answer", Some(value));
    }

    fn mark(&mut self) -> Action {
        let path = self.get_property(vec!["request", "url_path"]);
        let path = String::from_utf8(path.unwrap_or_default()).unwrap_or_default();
        self.add_http_request_header("X-Seen", &path);
        self.set_http_request_header("x-do", None);
        self.set_property(vec!["example", "path"], Some(path.as_bytes()));
        self.marks = true;
        Action::Continue
    }

    fn ask(&self, cluster: &str) -> Action {
        let headers = vec![
            (":method", "GET"),
            (":path", "/answer"),
            (":authority", "answers.example"),
        ];
        let asked = self.dispatch_http_call(cluster, headers, None, Vec::new(), TIMEOUT);
        self.wait_for(asked.err().map(|status| format!("{status:?}")))
    }

    fn call(&self, cluster: &str) -> Action {
        let asked = self.dispatch_grpc_call(
            cluster,
            "answers.Answers",
            "Ask",
            Vec::new(),
            Some(b"what"),
            TIMEOUT,
        );
        self.wait_for(asked.err().map(|status| format!("{status:?}")))
    }

    fn wait_for(&self, failure: Option<String>) -> Action {
        match failure {
            None => Action::Pause,
            Some(failure) => {
                self.answer(&failure);
                Action::Continue
            }
        }
    }

    fn enqueue(&self, name: &str) -> Action {
        let told = match self.resolve_shared_queue("", name) {
            Some(queue) => self.enqueue_shared_queue(queue, Some(b"a request")).is_ok(),
            None => false,
        };
        self.answer(if told { "told" } else { "nobody listens" });
        Action::Continue
    }

    fn foreign(&self, name: &str) -> Action {
        let result = self.call_foreign_function(name, Some(b"argument"));
        let text = match result {
            Ok(result) => String::from_utf8(result.unwrap_or_default()).unwrap_or_default(),
            Err(status) => format!("{status:?}"),
        };
        self.answer(&text);
        Action::Continue
    }

    fn take(&self, mib: &str) -> Action {
        let len = mib.parse::<usize>().unwrap_or_default() * MIB;
        let mut room: Vec<u8> = Vec::new();
        let has_room = room.try_reserve_exact(len).is_ok();
        self.answer(if has_room { "taken" } else { "no memory" });
        Action::Continue
    }
}

impl Context for Request {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body_size: usize, _: usize) {
        if headers == 0 {
            // There is nothing to be read then, and the SDK would panic.
            let status = hostcalls::get_grpc_status().ok();
            self.answer(&format!("reset {status:?}"));
        } else {
            let status = self.get_http_call_response_header(":status");
            let body = self.get_http_call_response_body(0, body_size);
            let body = String::from_utf8(body.unwrap_or_default()).unwrap_or_default();
            self.answer(&format!("{} {body}", status.unwrap_or_default()));
        }
        self.resume_http_request();
    }

    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        let body = self
            .get_grpc_call_response_body(0, size)
            .unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        self.answer(&format!("{status} {body}"));
        self.resume_http_request();
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let words = self.get_http_request_header("x-do").unwrap_or_default();
        let (word, rest) = words.split_once(' ').unwrap_or((&words, ""));
        match word {
            "mark" => self.mark(),
            "refuse" => {
                let headers = vec![("x-by", "example")];
                self.send_http_response(403, headers, Some(b"refused"));
                Action::Continue
            }
            "upper" => {
                self.wants_body = !end_of_stream;
                match self.wants_body {
                    true => Action::Pause,
                    false => Action::Continue,
                }
            }
            "ask" => self.ask(rest),
            "call" => self.call(rest),
            "enqueue" => self.enqueue(rest),
            "foreign" => self.foreign(rest),
            "take" => self.take(rest),
            "trap" => std::process::abort(),
            _ => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if !self.wants_body {
            return Action::Continue;
        }
        if !end_of_stream {
            return Action::Pause;
        }
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        self.set_http_request_body(0, size, &body.to_ascii_uppercase());
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.marks {
            self.add_http_response_header("x-marked", "yes");
            self.set_http_response_header("server", None);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.marks && end_of_stream {
            self.set_http_response_body(size, 0, b"!");
        }
        Action::Continue
    }
}
