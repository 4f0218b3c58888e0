//! A proxy-wasm host on wasmtime, for tests of filters: it runs a module as Envoy does, in milliseconds, and gives any answer
//! that a test wants.
//!
//! - [`Vm`]: one VM. A test makes each callback, in any order, and looks at what the VM asked of its [`Proxy`]; each call can
//!   be let fail by [`Proxy::inject`], or by [`Proxy::on_call`] where that depends on what is asked for.
//! - [`Exchange`]: a request and its response, driven through a VM with body and trailers.
//! - [`Process`]: several VMs that share data, queues and clocks, and services that answer them. Nothing in it happens by
//!   chance or takes real time.
//! - [`Server`]: a main thread and workers; plugins that are installed, get other configurations, drain, trap and are
//!   reloaded.
//!
//! ```no_run
//! use riskgate_wasm_host::{Module, Plugin, Request, Response, Server};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = Arc::new(Module::new(&std::fs::read("filter.wasm")?)?);
//! let mut server = Server::new(2, 1_800_000_000_000_000_000);
//! let plugin = server.install(Plugin::new(module, b"the configuration"))?;
//! let request = Request {
//!     headers: vec![(b":path".to_vec(), b"/".to_vec())],
//!     ..Request::default()
//! };
//! let outcome = server.exchange(plugin, 1, request, |_| Response::default());
//! assert_eq!(outcome.status(), Some(403));
//! server.advance(1_000)?;
//! # Ok(())
//! # }
//! ```
//!
//! It speaks ABI 0.2.1, and takes no module that Envoy would not load. The README lists all calls. It checks
//! nothing else of a request that a proxy checks, and is no measure of speed.

mod answers;
mod callbacks;
mod callout;
mod contexts;
mod events;
mod exchange;
mod fault;
mod guest;
mod hostcall;
mod http;
mod http_stream;
mod imports;
mod link;
mod maps;
mod memory;
mod metric;
mod module;
mod plugin;
mod process;
mod protobuf;
mod proxy;
mod random;
mod server;
mod service;
mod shared_data;
mod shared_queue;
mod status;
mod tcp;
mod timers;
mod traffic;
mod vm;
mod wasi;
mod watch;

pub use callout::{GrpcCall, GrpcStream, HttpCall, HttpResponse};
pub use events::Disorder;
pub use exchange::{Exchange, ExchangeOptions, Outcome, Passage, Progress, Request, Response};
pub use fault::Fault;
pub use http_stream::{Headers, HttpStream, LocalResponse, Message};
pub use metric::{Metric, MetricKind};
pub use module::Module;
pub use plugin::{FailurePolicy, Plugin};
pub use process::Process;
pub use proxy::Proxy;
pub use server::{InstallError, PluginId, Server};
pub use service::{CallId, GrpcReply, GrpcService, HttpReply, HttpService, Replies};
pub use shared_data::SharedData;
pub use shared_queue::{QueueEvent, SharedQueues};
pub use status::Status;
pub use tcp::ClosedBy;
pub use traffic::ExchangeId;
pub use vm::{Action, Error, Vm};
pub use watch::HostCall;
