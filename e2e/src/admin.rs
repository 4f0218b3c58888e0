//! Envoy's admin interface.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::{Connection, Request};

/// Asks a running Envoy about itself.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Admin { address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_ready(&self) -> Result<bool> {
        let answer = Connection::open(self.address, None)?.send(&Request::get("/ready"))?;
        Ok(answer.status == 200)
    }

    /// Address of a listener.
    pub(crate) fn listener(&self, name: &str) -> Result<Option<SocketAddr>> {
        let listeners = self.json("/listeners?format=json")?;
        let mut listeners = listeners
            .pointer("/listener_statuses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let Some(listener) =
            listeners.find(|listener| listener.pointer("/name") == Some(&name.into()))
        else {
            return Ok(None);
        };
        let socket = |key: &str| listener.pointer(&format!("/local_address/socket_address/{key}"));
        let ip = socket("address")
            .and_then(Value::as_str)
            .context("a listener without an address")?;
        let port = socket("port_value")
            .and_then(Value::as_u64)
            .context("a listener without a port")?;
        Ok(Some(SocketAddr::new(ip.parse()?, u16::try_from(port)?)))
    }

    /// The value of a counter or gauge; nothing while it was never written.
    pub fn stat(&self, name: &str) -> Result<Option<u64>> {
        let stats = self.text("/stats")?;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(|value| {
            value
                .parse()
                .with_context(|| format!("{name} is `{value}`"))
        })
        .transpose()
    }

    /// Lets connections end and takes no more, as before a shutdown.
    pub fn drain_listeners(&self) -> Result<()> {
        let request = Request {
            method: "POST".to_owned(),
            ..Request::get("/drain_listeners?graceful")
        };
        let answer = Connection::open(self.address, None)?.send(&request)?;
        ensure!(answer.status == 200, "draining answered {}", answer.status);
        Ok(())
    }

    fn json(&self, path: &str) -> Result<Value> {
        serde_json::from_str(&self.text(path)?).with_context(|| format!("{path} is not JSON"))
    }

    fn text(&self, path: &str) -> Result<String> {
        let answer = Connection::open(self.address, None)?.send(&Request::get(path))?;
        if answer.status != 200 {
            bail!("{path} answered {}", answer.status);
        }
        String::from_utf8(answer.body).with_context(|| format!("{path} is not UTF-8"))
    }
}
