//! The root context: it ticks, talks to a service, and listens to a queue, as its configuration says.

use crate::request::Request;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MetricType};
use std::time::Duration;

/// In shared data: how often all VMs ticked.
const TICKS: &str = "ticks";
/// More than this, and another VM keeps coming between.
const CAS_TRIES: u32 = 10;
const GREETING: &[u8] = b"hello";

#[derive(Debug, Default)]
pub(crate) struct Root {
    /// Its configuration: `tick=MS`, `queue=NAME`, `stream=CLUSTER`, `drain`, `refuse`.
    words: Vec<String>,
    /// It was told to end.
    ends: bool,
}

impl Root {
    fn word(&self, name: &str) -> Option<&str> {
        let mut words = self.words.iter();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|held| held == word)
    }

    /// One more tick in shared data, by compare and swap.
    fn count_tick(&self) {
        for _ in 0..CAS_TRIES {
            let (held, cas) = self.get_shared_data(TICKS);
            let count = held.and_then(|held| number(&held)).unwrap_or_default() + 1;
            let count = count.to_string();
            // No key there yet: a version that none has writes only then.
            let cas = cas.or(Some(u32::MAX));
            if self
                .set_shared_data(TICKS, Some(count.as_bytes()), cas)
                .is_ok()
            {
                return;
            }
        }
    }

    fn log(&self, level: LogLevel, line: &str) {
        let _logged = hostcalls::log(level, line);
    }
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, _token: u32, size: usize) {
        let message = self.get_grpc_stream_message(0, size).unwrap_or_default();
        let text = String::from_utf8_lossy(&message);
        self.log(LogLevel::Info, &format!("message: {text}"));
        count("messages");
    }

    fn on_grpc_stream_close(&mut self, token: u32, status: u32) {
        let (_, text) = self.get_grpc_status();
        let text = text.unwrap_or_default();
        self.log(LogLevel::Warn, &format!("closed with {status}: {text}"));
        self.cancel_grpc_stream(token);
    }

    fn on_done(&mut self) -> bool {
        self.ends = true;
        !self.has("drain")
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, size: usize) -> bool {
        if size > 0 {
            let configuration = self.get_vm_configuration().unwrap_or_default();
            let text = String::from_utf8_lossy(&configuration);
            self.log(LogLevel::Info, &format!("VM configuration: {text}"));
        }
        true
    }

    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration);
        self.words = text.split_whitespace().map(str::to_owned).collect();
        if let Some(ms) = self.word("tick").and_then(|ms| ms.parse().ok()) {
            self.set_tick_period(Duration::from_millis(ms));
        }
        if let Some(name) = self.word("queue") {
            self.register_shared_queue(name);
        }
        if let Some(cluster) = self.word("stream") {
            let opened = self.open_grpc_stream(cluster, "echo.Echo", "Chat", Vec::new());
            match opened {
                Ok(token) => self.send_grpc_stream_message(token, Some(GREETING), false),
                Err(status) => self.log(LogLevel::Error, &format!("no stream: {status:?}")),
            }
        }
        !self.has("refuse")
    }

    fn on_tick(&mut self) {
        count("ticks");
        self.count_tick();
        if self.ends {
            self.done();
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        count("wake_ups");
        while let Ok(Some(message)) = self.dequeue_shared_queue(queue) {
            let text = String::from_utf8_lossy(&message);
            self.log(LogLevel::Info, &format!("from the queue: {text}"));
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::default()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn count(metric: &str) {
    if let Ok(id) = hostcalls::define_metric(MetricType::Counter, metric) {
        let _counted = hostcalls::increment_metric(id, 1);
    }
}
