//! The riskgate proxy-wasm filter for Envoy: the callbacks of the ABI, passed on to [`riskgate_filter_sdk`].
//!
//! ```sh
//! cargo build -p riskgate-filter --target wasm32-wasip1 --profile wasm
//! ```
//!
//! A proxy calls the callbacks that a module exports, and each costs about as much as a small call to the host. So this one
//! exports what it has something to do in, and nothing else: four callbacks a request.
//!
//! No context that the proxy names, and no order of its callbacks, makes the VM trap.

mod abi;
mod contexts;
mod exports;
mod room;
