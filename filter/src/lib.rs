//! The riskgate proxy-wasm filter for Envoy: the callbacks of the ABI, passed on to [`riskgate_filter_sdk`].
//!
//! ```sh
//! cargo build -p riskgate-filter --target wasm32-wasip1 --profile wasm
//! ```
//!
//! The crate `proxy-wasm` exports the callbacks and finds the context each one belongs to. Nothing else of it is used
//! to talk to the host, because its calls panic on an answer they do not know; the module `abi` has bindings that do not.

mod abi;

use abi::Envoy;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use riskgate_filter_sdk::{Filter, Flow, Vm};
use std::cell::RefCell;
use std::rc::Rc;

/// What the host calls once in each VM, before anything else.
mod start {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|context_id| Box::new(super::Root::new(context_id)));
    }}
}

thread_local! {
    /// This VM: it has one thread, and the crate `proxy-wasm` makes root contexts with a function that captures nothing.
    static VM: Vm = Vm::default();
}

/// A root context: one configured filter in one VM.
struct Root {
    filter: Rc<RefCell<Filter>>,
    envoy: Envoy,
}

/// A request. It shares its root context's filter.
struct Request {
    filter: Rc<RefCell<Filter>>,
    envoy: Envoy,
}

impl Root {
    fn new(context_id: u32) -> Root {
        Root {
            filter: Rc::new(RefCell::new(VM.with(Filter::new))),
            envoy: Envoy::new(context_id),
        }
    }

    /// Runs `act` on the filter. A callback inside of a callback, which Envoy never makes, is left out.
    fn with_filter(&self, act: impl FnOnce(&mut Filter, &Envoy)) {
        if let Ok(mut filter) = self.filter.try_borrow_mut() {
            act(&mut filter, &self.envoy);
        }
    }
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, token_id: u32, message_size: usize) {
        self.with_filter(|filter, envoy| filter.on_stream_message(envoy, token_id, message_size));
    }

    fn on_grpc_stream_close(&mut self, token_id: u32, status_code: u32) {
        self.with_filter(|filter, envoy| filter.on_stream_close(envoy, token_id, status_code));
    }

    fn on_done(&mut self) -> bool {
        self.with_filter(|filter, envoy| filter.on_done(envoy));
        true
    }
}

impl RootContext for Root {
    /// Always true: a configuration that cannot be used refuses requests, and must not stop Envoy or unfilter it.
    fn on_configure(&mut self, plugin_configuration_size: usize) -> bool {
        let json = abi::plugin_configuration(plugin_configuration_size).unwrap_or_default();
        self.with_filter(|filter, envoy| filter.on_configure(envoy, &json));
        true
    }

    fn on_tick(&mut self) {
        self.with_filter(|filter, envoy| filter.on_tick(envoy));
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request {
            filter: Rc::clone(&self.filter),
            envoy: self.envoy,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let flow = match self.filter.try_borrow_mut() {
            Ok(mut filter) => filter.on_request_headers(&self.envoy),
            Err(_) => Filter::refuse_reentrant(&self.envoy),
        };
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Answered => Action::Pause,
        }
    }
}
