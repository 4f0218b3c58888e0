//! The rules of each size as a signed bundle, and the pusher that Envoys take it from.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::front::{self, Sources};
use riskgate_compiler::keys;
use riskgate_e2e::{Bundle, Keys, Pusher};
use serde_json::json;

use crate::model::{Rule, to_texts};

const REVISION: u64 = 1;

/// What the riskgate filter needs beside itself: keys, and one pusher that has a ruleset of each size.
pub(super) struct Supply {
    folder: PathBuf,
    keys: Keys,
    public_key_pem: String,
    pusher: Pusher,
}

impl Supply {
    /// Starts the pusher with nothing published.
    pub(super) fn start(folder: &Path) -> Result<Supply> {
        let private = folder.join("key.pem");
        let public = keys::generate(&private)?;
        let public_key_pem =
            fs::read_to_string(&public).with_context(|| public.display().to_string())?;
        let keys = Keys { private, public };
        let store = folder.join("pusher");
        fs::create_dir_all(&store).with_context(|| store.display().to_string())?;
        Ok(Supply {
            folder: folder.to_owned(),
            pusher: Pusher::start(&store, &keys)?,
            keys,
            public_key_pem,
        })
    }

    /// Builds and publishes a ruleset, and returns the length of its bundle in bytes.
    pub(super) fn publish(&self, rules: &[Rule]) -> Result<usize> {
        let bytes = self.bundle(rules)?;
        let path = self.folder.join(format!("{}.bundle", name(rules.len())));
        fs::write(&path, &bytes).with_context(|| path.display().to_string())?;
        self.pusher.publish(&Bundle { path })?;
        Ok(bytes.len())
    }

    /// Where filters subscribe.
    pub(super) fn subscribers(&self) -> SocketAddr {
        self.pusher.addresses().subscribers
    }

    /// What the filter that serves so many rules is told.
    pub(super) fn plugin_configuration(&self, rules: usize) -> String {
        json!({
            "ruleset": name(rules),
            "trust": { "keys": [self.public_key_pem], "threshold": 1 },
            "push": { "cluster": super::bootstrap::PUSHER_CLUSTER },
            // A request that comes before the rules would show at once.
            "on_missing": "deny",
            "client_ip": "peer",
        })
        .to_string()
    }

    fn bundle(&self, rules: &[Rule]) -> Result<Vec<u8>> {
        let mut files = to_texts(rules);
        // One pusher serves all sizes, so each has a name of its own.
        let manifest = format!("language: 1\nruleset: {}\nttl: 7d\n", name(rules.len()));
        files.retain(|(file, _)| file != "ruleset.yaml");
        files.push(("ruleset.yaml".to_owned(), manifest));
        let texts = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        let analysis = front::analyse(&Sources::from_texts(texts));
        let report = analysis.report(false);
        let ruleset = analysis.ruleset.with_context(|| report)?;
        let options = BuildOptions {
            revision: REVISION,
            issued_at_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            audience: None,
        };
        let key = keys::read_signing_key(&self.keys.private)?;
        Ok(build(&ruleset, &options, &key)?)
    }
}

fn name(rules: usize) -> String {
    format!("rules-{rules}")
}
