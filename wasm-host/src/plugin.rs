//! A filter as a user configures it.

use crate::exchange::ExchangeOptions;
use crate::module::Module;
use std::sync::Arc;

/// A filter as a user of Envoy configures it.
#[derive(Clone)]
pub struct Plugin {
    /// Its code.
    pub module: Arc<Module>,
    /// VMs of one `vm_id` share their data.
    pub vm_id: String,
    /// What `proxy_on_vm_start` reads. Plugins of the same code, `vm_id` and VM configuration share a VM on each thread, with
    /// a root context each.
    pub vm_configuration: Vec<u8>,
    /// The property `plugin_root_id`.
    pub root_id: String,
    /// What `proxy_on_configure` reads.
    pub configuration: Vec<u8>,
    /// What becomes of requests when the VM trapped.
    pub failure_policy: FailurePolicy,
    /// How exchanges go through it.
    pub options: ExchangeOptions,
}

/// What becomes of requests when the VM trapped. The request in which it trapped gets 503 under each.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// 503, until the plugin gets another VM.
    #[default]
    Closed,
    /// They pass unfiltered.
    Open,
    /// The next request brings about a new VM, unless the last one is less than 1 to 1.5 s old; till then, 503.
    Reload,
}

impl Plugin {
    /// A plugin with a configuration, and Envoy's defaults for all else.
    pub fn new(module: Arc<Module>, configuration: &[u8]) -> Plugin {
        Plugin {
            module,
            vm_id: String::new(),
            vm_configuration: Vec::new(),
            root_id: String::new(),
            configuration: configuration.to_vec(),
            failure_policy: FailurePolicy::default(),
            options: ExchangeOptions::default(),
        }
    }

    /// Whether both run in the same VMs.
    pub(crate) fn shares_vms_with(&self, other: &Plugin) -> bool {
        Arc::ptr_eq(&self.module, &other.module)
            && self.vm_id == other.vm_id
            && self.vm_configuration == other.vm_configuration
    }
}
