//! A proxy-wasm host on wasmtime, for tests: a VM, a proxy that only remembers, and any answer a test wants. A [`Process`] has
//! several VMs that share data, queues and time, as the threads of a proxy do.
//!
//! It speaks ABI 0.2.1 as Envoy does; a call that it does not know answers [`Status::UNIMPLEMENTED`]. Time, random numbers and
//! streams are under the test's control, so a run always gives the same result.
//!
//! ```no_run
//! use riskgate_wasm_host::{Fault, Module, Vm};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = Module::new(&std::fs::read("filter.wasm")?)?;
//! let mut vm = Vm::new(&module)?;
//! vm.proxy_mut().inject("proxy_get_property", Fault::Status(10));
//! vm.create_context(1, 0)?;
//! vm.configure(1, b"{}")?;
//! vm.create_context(2, 1)?;
//! let action = vm.request_headers(2, &[(b":path", b"/")], true)?;
//! println!("{action:?} {:?}", vm.proxy_mut().http_stream(2).local_response);
//! # Ok(())
//! # }
//! ```
//!
//! It checks nothing that a real proxy checks, and is no measure of speed.

mod contexts;
mod fault;
mod grpc;
mod guest;
mod hostcall;
mod http;
mod http_stream;
mod link;
mod maps;
mod module;
mod process;
mod proxy;
mod shared_data;
mod shared_queue;
mod status;
mod timers;
mod vm;
mod wasi;

pub use fault::Fault;
pub use http_stream::{Headers, HttpStream, LocalResponse, Message};
pub use module::Module;
pub use process::Process;
pub use proxy::{GrpcStream, Metric, Proxy};
pub use shared_data::SharedData;
pub use shared_queue::{QueueEvent, SharedQueues};
pub use status::Status;
pub use vm::{Action, Error, Vm};
