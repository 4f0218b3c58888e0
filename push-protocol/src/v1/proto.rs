//! The wire types of version 1, as generated from `proto/v1.proto`.

#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_imports,
    reason = "generated; proto/v1.proto holds the comments"
)]
mod generated;

mod pusher;
mod subscriber;

pub use generated::*;
