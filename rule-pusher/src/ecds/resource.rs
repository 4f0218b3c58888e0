//! A configuration with its bundle, as it goes to Envoy.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::STANDARD};
use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            AsyncDataSource, DataSource, TypedExtensionConfig, async_data_source, data_source,
        },
        extensions::{
            filters::http::wasm::v3::Wasm,
            wasm::v3::{self as wasm, PluginConfig, VmConfig, plugin_config},
        },
    },
    google::protobuf::{Any, BoolValue, StringValue},
};
use prost::{Message, Name};
use serde_json::Value;

use super::template::{BUNDLE_KEY, Code, FailurePolicy, LocalCode, Plugin, Template, Vm};
use crate::catalogue::Publication;

/// A configuration with its bundle.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Another one for whatever differs: the bundle, its signatures, or the template.
    pub(super) version: String,
    /// A `TypedExtensionConfig`.
    pub(super) body: Any,
}

/// The newest configuration of each template, made once for all Envoys.
#[derive(Debug)]
pub(crate) struct Resources {
    templates: Vec<Template>,
    newest: Vec<Mutex<Option<Made>>>,
}

#[derive(Debug)]
struct Made {
    of: Arc<Publication>,
    resource: Arc<Resource>,
}

impl Resources {
    pub(crate) fn new(templates: Vec<Template>) -> Self {
        let newest = templates.iter().map(|_| Mutex::new(None)).collect();
        Self { templates, newest }
    }

    pub(super) fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The configuration by the template at this place. It takes a while for a long bundle, and while it does others wait for
    /// it, too.
    pub(super) fn make(
        &self,
        place: usize,
        publication: &Arc<Publication>,
    ) -> Option<Arc<Resource>> {
        let template = self.templates.get(place)?;
        let newest = self.newest.get(place)?;
        let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = newest.as_ref()
            && Arc::ptr_eq(&made.of, publication)
        {
            return Some(Arc::clone(&made.resource));
        }
        let resource = Arc::new(template.with(publication));
        *newest = Some(Made {
            of: Arc::clone(publication),
            resource: Arc::clone(&resource),
        });
        Some(resource)
    }
}

impl Template {
    fn with(&self, publication: &Publication) -> Resource {
        let typed = TypedExtensionConfig {
            name: self.name.clone(),
            typed_config: Some(any(&Wasm {
                config: Some(self.plugin.with(&publication.payload)),
            })),
        };
        let body = any(&typed);
        let hash = blake3::hash(&body.value).to_hex();
        let version = format!("{}-{}", publication.bundle.revision, &hash.as_str()[..16]);
        Resource { version, body }
    }
}

impl Plugin {
    /// The filter takes JSON in a string: Envoy would hand a `Struct` on in its binary form.
    fn with(&self, bundle: &[u8]) -> PluginConfig {
        let mut configuration = self.configuration.clone();
        let bundle = Value::String(STANDARD.encode(bundle));
        configuration.insert(BUNDLE_KEY.to_owned(), bundle);
        let value = Value::Object(configuration).to_string();
        PluginConfig {
            name: self.name.clone(),
            root_id: self.root_id.clone(),
            configuration: Some(any(&StringValue { value })),
            failure_policy: self.failure_policy.wire().into(),
            allow_on_headers_stop_iteration: Some(BoolValue {
                value: self.allow_on_headers_stop_iteration,
            }),
            vm: Some(plugin_config::Vm::VmConfig(self.vm_config.wire())),
            ..PluginConfig::default()
        }
    }
}

impl FailurePolicy {
    fn wire(self) -> wasm::FailurePolicy {
        match self {
            Self::Reload => wasm::FailurePolicy::FailReload,
            Self::Closed => wasm::FailurePolicy::FailClosed,
            Self::Open => wasm::FailurePolicy::FailOpen,
        }
    }
}

impl Vm {
    fn wire(&self) -> VmConfig {
        let Vm {
            vm_id,
            runtime,
            code: Code {
                local: LocalCode { filename },
            },
        } = self;
        let file = DataSource {
            specifier: Some(data_source::Specifier::Filename(filename.clone())),
            ..DataSource::default()
        };
        VmConfig {
            vm_id: vm_id.clone(),
            runtime: runtime.clone(),
            code: Some(AsyncDataSource {
                specifier: Some(async_data_source::Specifier::Local(file)),
            }),
            ..VmConfig::default()
        }
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}
