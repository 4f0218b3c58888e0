//! What makes a riskgate filter a module for Envoy: the callbacks of the proxy-wasm ABI, passed on to [`riskgate_filter_sdk`], and
//! what that asks of the proxy.
//!
//! A module is a crate of type `cdylib` that calls [`filter!`], and nothing else:
//!
//! ```ignore
//! riskgate_filter_abi::filter!();
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

pub use exports::begin;
pub use riskgate_filter_sdk::CustomAttributes;

/// Makes the crate a filter. With an expression, which gives a [`CustomAttributes`] and is evaluated once for each root context,
/// rules can read what that supplies.
///
/// ```ignore
/// riskgate_filter_abi::filter!(Device::default());
/// ```
#[macro_export]
macro_rules! filter {
    () => {
        $crate::filter!(@ || None);
    };
    (@ $attributes:expr) => {
        /// Comes first, once in each VM.
        #[allow(unsafe_code, reason = "exporting a function by its name counts as unsafe")]
        #[unsafe(no_mangle)]
        extern "C" fn _initialize() {
            $crate::begin($attributes);
        }
    };
    ($attributes:expr) => {
        $crate::filter!(@ || Some(Box::new($attributes)));
    };
}
