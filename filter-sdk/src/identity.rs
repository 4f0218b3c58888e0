//! Who this VM is to the push service.

use crate::host::{Host, HostError};

/// One per process; the key carries the version of what it holds.
const INSTANCE_KEY: &str = "riskgate.instance.v1";

/// Where Envoy keeps its node id. 1.40 knows only the first, old versions only the second.
const NODE_ID_PATHS: [&str; 2] = ["xds\0node\0id", "node\0id"];

/// A random name, 16 bytes.
pub type Nonce = [u8; 16];

/// The names under which a VM reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Envoy's node id; empty when it has none.
    pub node: String,
    /// One per Envoy process: the name of the VM that asked first.
    pub instance: Nonce,
    /// Random, one per VM.
    pub vm: Nonce,
}

impl Identity {
    /// Finds out who the VM named `vm` is. The first VM of a process to ask names the process.
    pub fn establish(host: &dyn Host, vm: Nonce) -> Identity {
        let mut node = Vec::new();
        let known = NODE_ID_PATHS
            .iter()
            .any(|path| host.property(path, &mut node) == Ok(true));
        if !known {
            node.clear();
        }
        Identity {
            node: String::from_utf8_lossy(&node).into_owned(),
            instance: instance(host, vm),
            vm,
        }
    }
}

pub(crate) fn random_nonce(host: &dyn Host) -> Result<Nonce, HostError> {
    let mut nonce = Nonce::default();
    host.random(&mut nonce)?;
    Ok(nonce)
}

/// What shared data says is a hint: a neighbour that forges or erases it only makes reports harder to read. So does a
/// host without shared data, where each VM counts as a process of its own.
fn instance(host: &dyn Host, vm: Nonce) -> Nonce {
    match host.create_shared_data(INSTANCE_KEY, &vm) {
        Ok(true) | Err(_) => vm,
        Ok(false) => {
            let shared = host.shared_data(INSTANCE_KEY).ok().flatten();
            shared.and_then(|value| value.try_into().ok()).unwrap_or(vm)
        }
    }
}
