//! The service for filters that speak version 1 of the protocol: a stream for each VM.

pub(crate) mod push_service;
mod session;
