//! All that the VMs of one filter share in Envoy, as a [`Neighbour`] sees it.

use std::fs;

use anyhow::{Context, Result};
use riskgate_filter_sdk::{config::Config, namespace::Namespace};
use serde_json::json;

use crate::{neighbour::Neighbour, rulec::Keys};

/// Slots of VMs, with a queue for each, as many as there may be.
const SLOTS: usize = 64;

/// Pages of bundles that are looked at.
const PAGES: usize = 8;

/// Keys that are filled: all would take gigabytes.
const FILLED: usize = 4;

/// The shared data and queues of the filter that a scenario `stream` configures.
pub struct SharedState {
    neighbour: Neighbour,
    lease: String,
    keys: Vec<String>,
    queues: Vec<String>,
}

impl SharedState {
    /// Of the filter for this ruleset.
    pub fn new(ruleset: &str, keys: &Keys, neighbour: Neighbour) -> Result<Self> {
        let namespace = namespace(ruleset, keys)?;
        let mut names: Vec<_> = ["head", "lease", "attempts"].map(str::to_owned).into();
        names.extend((0..SLOTS).map(|slot| format!("slot/{slot}")));
        names.extend((0..PAGES).map(|page| format!("page/{page}")));
        Ok(SharedState {
            neighbour,
            lease: namespace.key("lease"),
            keys: names.iter().map(|name| namespace.key(name)).collect(),
            queues: (0..SLOTS)
                .map(|slot| namespace.key(format!("queue/{slot}")))
                .collect(),
        })
    }

    /// The key of the notes that VMs leave while they load a bundle.
    pub fn attempts_key(ruleset: &str, keys: &Keys) -> Result<String> {
        Ok(namespace(ruleset, keys)?.key("attempts"))
    }

    /// What is there: keys and values.
    pub fn read(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut there = Vec::new();
        for key in &self.keys {
            if let Some(value) = self.neighbour.read(key)? {
                there.push((key.clone(), value));
            }
        }
        Ok(there)
    }

    /// Writes these values, whatever is there.
    pub fn write(&self, values: &[(String, Vec<u8>)]) -> Result<()> {
        let mut values = values.iter();
        values.try_for_each(|(key, value)| self.neighbour.write(key, value))
    }

    /// Writes one value everywhere.
    pub fn overwrite(&self, value: &[u8]) -> Result<()> {
        let mut keys = self.keys.iter();
        keys.try_for_each(|key| self.neighbour.write(key, value))
    }

    /// Writes one VM in the place of another where that has the lease.
    pub fn pass_lease(&self, from: &[u8; 16], to: &[u8; 16]) -> Result<()> {
        let lease = self.neighbour.read(&self.lease)?.unwrap_or_default();
        match lease.strip_prefix(from) {
            Some(rest) => self.neighbour.write(&self.lease, &[to, rest].concat()),
            None => Ok(()),
        }
    }

    /// Writes values of this length.
    pub fn fill(&self, len: usize) -> Result<()> {
        let mut keys = self.keys.iter().take(FILLED);
        keys.try_for_each(|key| self.neighbour.fill(key, len))
    }

    /// Takes every message out of every queue.
    pub fn drain(&self) -> Result<()> {
        for queue in &self.queues {
            self.neighbour.drain(queue)?;
        }
        Ok(())
    }

    /// Registers every queue as the neighbour's, so that their owners are not woken, and puts a message into each.
    pub fn take_and_inject(&self) -> Result<()> {
        for queue in &self.queues {
            self.neighbour.take(queue)?;
            self.neighbour.inject(queue, b"forged")?;
        }
        Ok(())
    }
}

fn namespace(ruleset: &str, keys: &Keys) -> Result<Namespace> {
    let config = json!({
        "ruleset": ruleset,
        "trust": { "keys": [fs::read_to_string(&keys.public)?] },
        "push": { "cluster": "rule_pusher" },
    });
    let config = Config::parse(config.to_string().as_bytes()).context("the configuration")?;
    Ok(Namespace::of(&config))
}
