//! Who this VM is to the push service.

use crate::host::{Host, HostError};
use std::cell::Cell;

/// One per process; the key carries the version of what it holds.
const INSTANCE_KEY: &str = "riskgate.instance.v1";

/// Where Envoy keeps its node id. 1.40 knows only the first, old versions only the second.
const NODE_ID_PATHS: [&[&str]; 2] = [&["xds", "node", "id"], &["node", "id"]];

/// A random name, 16 bytes.
pub type Nonce = [u8; 16];

/// The names under which a VM reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Envoy's node id; empty when it has none.
    pub node: String,
    /// Random, one per Envoy process.
    pub instance: Nonce,
    /// Random, one per VM.
    pub vm: Nonce,
}

impl Identity {
    /// Finds out who this VM is. The first VM of a process to ask names the process.
    pub fn establish(host: &dyn Host) -> Result<Identity, HostError> {
        let node = NODE_ID_PATHS
            .iter()
            .find_map(|path| host.property(path).ok().flatten())
            .unwrap_or_default();
        Ok(Identity {
            node: String::from_utf8_lossy(&node).into_owned(),
            instance: instance(host)?,
            vm: vm_nonce(host)?,
        })
    }
}

thread_local! {
    /// A wasm VM has one thread.
    static VM: Cell<Option<Nonce>> = const { Cell::new(None) };
}

/// The name of this VM, which all its root contexts share.
fn vm_nonce(host: &dyn Host) -> Result<Nonce, HostError> {
    if let Some(nonce) = VM.get() {
        return Ok(nonce);
    }
    let nonce = random_nonce(host)?;
    VM.set(Some(nonce));
    Ok(nonce)
}

fn random_nonce(host: &dyn Host) -> Result<Nonce, HostError> {
    let mut nonce = Nonce::default();
    host.random(&mut nonce)?;
    Ok(nonce)
}

/// What shared data says is a hint: a neighbour that forges or erases it only makes reports harder to read.
fn instance(host: &dyn Host) -> Result<Nonce, HostError> {
    let own = random_nonce(host)?;
    if host.create_shared_data(INSTANCE_KEY, &own)? {
        return Ok(own);
    }
    let shared = host.shared_data(INSTANCE_KEY)?;
    Ok(shared
        .and_then(|value| value.try_into().ok())
        .unwrap_or(own))
}
