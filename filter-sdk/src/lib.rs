//! Everything a riskgate filter does, against a [`Host`](host::Host) trait.
//!
//! A [`Filter`] takes the plugin configuration, loads the bundle that it carries, subscribes to the push service,
//! swaps bundles between requests, and decides each request. The filters of one [`Vm`] share what serves. A filter never sees the proxy-wasm ABI: a thin shell passes
//! callbacks in and implements the trait, as the crate `riskgate-filter-abi` does.
//!
//! ```no_run
//! use riskgate_filter_sdk::{Filter, Flow, Vm, host::Host};
//!
//! fn run(host: &dyn Host) {
//!     let mut filter = Filter::new(&Vm::default());
//!     filter.on_configure(host, br#"{"ruleset":"storefront","trust":{"keys":["MCow..."]}}"#);
//!     filter.on_tick(host);
//!     if filter.on_request_headers(host, false) == Flow::Continue {
//!         // The request goes to the upstream.
//!     }
//! }
//! ```
//!
//! It never panics on what a host, a push service or a client sends, never waits, and never lets a bad bundle replace
//! a good one.

pub mod backoff;
mod body;
pub mod client_ip;
pub mod config;
mod counters;
mod custom;
mod decide;
mod delivery;
mod filter;
pub mod headers;
pub mod host;
pub mod identity;
mod intake;
mod load;
pub mod metrics;
pub mod namespace;
pub mod peers;
mod rejection;
mod reply;
pub mod request;
mod response;
mod seat;
mod serving;
mod shared;
mod subscription;
mod vm;

pub use body::OnUnreadableBody;
pub use custom::{CustomAttributes, CustomValues};
pub use decide::Flow;
pub use filter::Filter;
pub use riskgate_engine::counters::Pending;
pub use vm::Vm;

const NS_PER_S: u64 = 1_000_000_000;
