//! Another plugin with the filter's `vm_id`, in the same Envoy: it reads, forges, erases and drains what the filter's VMs
//! share. The wasm module is `e2e/neighbour/`.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    envoy::Envoy,
    http::{Connection, Request, Response},
    locate,
    scenario::Scenario,
};

const LISTENER: &str = "neighbour";

/// A running one.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    address: SocketAddr,
}

impl Neighbour {
    /// The scenario, which has to be YAML or JSON at this point, with a listener for the neighbour.
    pub fn beside(scenario: Scenario) -> Result<Scenario> {
        let module = locate::wasm_module("riskgate_neighbour")?;
        Ok(scenario.edit(move |text| {
            let Ok(mut bootstrap) = serde_saphyr::from_str::<Value>(text) else {
                return text.to_owned();
            };
            let listeners = bootstrap.pointer_mut("/static_resources/listeners");
            if let Some(listeners) = listeners.and_then(Value::as_array_mut) {
                let module = module.display().to_string();
                listeners.push(listener(&module));
            }
            bootstrap.to_string()
        }))
    }

    /// The one in this Envoy.
    pub fn of(envoy: &Envoy) -> Result<Self> {
        Ok(Neighbour {
            address: envoy.listener(LISTENER)?,
        })
    }

    /// What is under a key of shared data.
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let answer = self.ask("GET", &format!("/data/{key}"), None)?;
        Ok((answer.status == 200).then_some(answer.body))
    }

    /// Writes over what is under a key.
    pub fn write(&self, key: &str, value: &[u8]) -> Result<()> {
        let value = hex(value);
        check(&self.ask("PUT", &format!("/data/{key}"), Some(("x-value", &value)))?)
    }

    /// Writes that many bytes over what is under a key.
    pub fn fill(&self, key: &str, len: usize) -> Result<()> {
        let len = len.to_string();
        check(&self.ask("PUT", &format!("/data/{key}"), Some(("x-fill", &len)))?)
    }

    /// Takes every message out of a queue, and says how many there were; nothing where there is no such queue.
    pub fn drain(&self, queue: &str) -> Result<Option<u64>> {
        let answer = self.ask("DELETE", &format!("/queue/{queue}"), None)?;
        if answer.status != 200 {
            return Ok(None);
        }
        Ok(Some(std::str::from_utf8(&answer.body)?.parse()?))
    }

    /// Puts a message into a queue, and says whether there is such a queue.
    pub fn inject(&self, queue: &str, message: &[u8]) -> Result<bool> {
        let value = hex(message);
        let answer = self.ask("PUT", &format!("/queue/{queue}"), Some(("x-value", &value)))?;
        Ok(answer.status == 200)
    }

    /// Registers a queue as its own: whom it belonged to is not woken any more.
    pub fn take(&self, queue: &str) -> Result<()> {
        check(&self.ask("POST", &format!("/queue/{queue}"), None)?)
    }

    fn ask(&self, method: &str, path: &str, header: Option<(&str, &str)>) -> Result<Response> {
        let mut request = Request {
            method: method.to_owned(),
            ..Request::get(path)
        };
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = Connection::open(self.address, None)?.send(&request);
        let answer = answer.with_context(|| format!("ask the neighbour to {method} {path}"))?;
        if !matches!(answer.status, 200 | 404) {
            bail!(
                "the neighbour answered {} to {method} {path}",
                answer.status
            );
        }
        Ok(answer)
    }
}

fn check(answer: &Response) -> Result<()> {
    if answer.status != 200 {
        bail!("the neighbour could not do it");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A listener of the neighbour alone, in the filter's namespace.
fn listener(module: &str) -> Value {
    let wasm = json!({
        "name": "neighbour",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "neighbour",
                "vm_config": {
                    "vm_id": "riskgate",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
            },
        },
    });
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let http = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "neighbour",
            "http_filters": [wasm, router],
            "route_config": { "name": "none", "virtual_hosts": [{
                "name": "none",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "" }, "direct_response": { "status": 500 } }],
            }] },
        },
    });
    json!({
        "name": LISTENER,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [http] }],
    })
}
