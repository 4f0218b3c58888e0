//! One function a target. Each panics on a defect and tells otherwise whether the bytes got as far as a decision.

mod bundle;
mod counters;
mod request;
mod seeds;
mod text;

pub(crate) use bundle::bundle;
pub(crate) use counters::counters;
pub(crate) use request::request;
pub(crate) use seeds::seeds;
pub(crate) use text::text;
