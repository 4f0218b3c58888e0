//! The riskgate proxy-wasm filter for Envoy: the callbacks of the ABI, passed on to `riskgate_filter_sdk`.
//!
//! ```sh
//! cargo build -p riskgate-filter --target wasm32-wasip1 --profile wasm
//! ```
//!
//! It knows of a request what every filter knows. One that knows more is a crate like this one: see `examples/custom-filter/`.

riskgate_filter_abi::filter!();
