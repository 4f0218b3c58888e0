//! A proxy-wasm host on wasmtime, for tests: a VM, a proxy that only remembers, and any answer a test wants. A [`Process`] has
//! several VMs that share data and time, as the threads of a proxy do.
//!
//! It speaks ABI 0.2.1 as Envoy does, as far as the riskgate filter uses it; a call that it does not know
//! answers [`Status::UNIMPLEMENTED`]. Time, random numbers and streams are under the test's control, so a run
//! always gives the same result.
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
//! let action = vm.request_headers(2, &[(b":path", b"/")])?;
//! println!("{action:?} {:?}", vm.proxy().local_response);
//! # Ok(())
//! # }
//! ```
//!
//! It checks nothing that a real proxy checks, and is no measure of speed.

mod call;
mod fault;
mod guest;
mod process;
mod proxy;
mod shared_data;
mod vm;
mod wasi;

pub use fault::Fault;
pub use process::Process;
pub use proxy::{LocalResponse, Metric, Proxy, Stream};
pub use shared_data::SharedData;
pub use vm::{Action, Error, Module, Vm};

/// Statuses of the ABI that the host itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status;

impl Status {
    /// Done.
    pub const OK: u32 = 0;
    /// There is no such thing.
    pub const NOT_FOUND: u32 = 1;
    /// An argument makes no sense.
    pub const BAD_ARGUMENT: u32 = 2;
    /// Bytes do not parse.
    pub const PARSE_FAILURE: u32 = 4;
    /// A pointer leads out of the VM's memory.
    pub const INVALID_MEMORY_ACCESS: u32 = 6;
    /// Somebody else wrote the value first.
    pub const CAS_MISMATCH: u32 = 8;
    /// The host does not know the call.
    pub const UNIMPLEMENTED: u32 = 12;
}
