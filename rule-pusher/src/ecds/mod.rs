//! Envoy's extension config discovery: the filter's configuration with the newest bundle in it, for Envoys whose filter opens
//! no stream of its own.
//!
//! It speaks the state-of-the-world form of xDS over one stream for each Envoy and resource. Envoy's answer says that it uses
//! the configuration; what the filter makes of the bundle, only the filter can say.

mod deliveries;
mod resource;
mod service;
mod stream;
mod template;

pub(crate) use deliveries::Deliveries;
pub(crate) use resource::Resources;
pub(crate) use service::{Discovery, REQUEST_LEN_MAX};
pub use template::{Template, TemplateError, read_templates};
