//! A folder, keys, certificates and an upstream: what every scenario needs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    certificates::Certificates,
    envoy::{Envoy, Generation},
    locate,
    pusher::Pusher,
    rulec::{Build, Bundle, Keys},
    scenario::Scenario,
    upstream::Upstream,
};

/// What the scenarios of one test or of the demo share.
pub struct Stage {
    folder: PathBuf,
    keys: Keys,
    certificates: Certificates,
    upstream: Upstream,
    made: AtomicUsize,
    _removed_when_dropped: Option<TempDir>,
}

impl Stage {
    /// Sets one up in a temporary folder.
    pub fn new() -> Result<Self> {
        let temporary = TempDir::with_prefix("riskgate-")?;
        let mut stage = Self::in_folder(temporary.path())?;
        stage._removed_when_dropped = Some(temporary);
        Ok(stage)
    }

    /// Sets one up in a folder that stays.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        Ok(Stage {
            folder: folder.to_owned(),
            keys: Keys::generate(folder, "key")?,
            certificates: Certificates::new(folder)?,
            upstream: Upstream::start()?,
            made: AtomicUsize::new(0),
            _removed_when_dropped: None,
        })
    }

    /// The folder of everything that is made here.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The keys that the scenarios trust.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// For TLS.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The upstream behind every Envoy of this stage.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Writes a ruleset of one file of rules, and returns its folder.
    pub fn write_ruleset(&self, name: &str, rules: &str) -> Result<PathBuf> {
        self.write_ruleset_with(name, "", rules)
    }

    /// The same with more keys in its `ruleset.yaml`.
    pub fn write_ruleset_with(&self, name: &str, more: &str, rules: &str) -> Result<PathBuf> {
        let folder = self.fresh("ruleset");
        let write = |file: &str, text: &str| {
            let path = folder.join(file);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))
        };
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        write(
            "ruleset.yaml",
            &format!("language: 1\nruleset: {name}\nttl: 24h\n{more}"),
        )?;
        write("all.rules.yaml", rules)?;
        Ok(folder)
    }

    /// Writes a ruleset of one file of rules and builds it.
    pub fn build(&self, name: &str, rules: &str, revision: u64) -> Result<Bundle> {
        self.build_folder(&self.write_ruleset(name, rules)?, revision)
    }

    /// Builds a ruleset.
    pub fn build_folder(&self, ruleset: &Path, revision: u64) -> Result<Bundle> {
        let build = Build {
            ruleset,
            attributes: None,
            revision,
            keys: &self.keys,
            issued_at: None,
        };
        build.run(self.fresh("bundle"))
    }

    /// A scenario with every word filled in that does not depend on the case.
    pub fn scenario(&self, name: &str, ruleset: &str) -> Result<Scenario> {
        let scenario = Scenario::new(name)
            .set("NODE_ID", "envoy-1")
            .set("ADMIN_PORT", 0)
            .set("HTTP_PORT", 0)
            .set("PROXIED_PORT", 0)
            .set("TLS_PORT", 0)
            .set("UPSTREAM_PORT", self.upstream.address().port())
            .set("WASM", locate::filter()?.display())
            .set("TLS_CERTIFICATE", self.certificates.certificate().display())
            .set("TLS_KEY", self.certificates.key().display())
            .set("CLIENT_CA", self.certificates.authority().display())
            .set("RULESET", ruleset)
            .set("TRUSTED_KEY", self.keys.trusted()?)
            .set("ON_MISSING", "allow");
        Ok(scenario)
    }

    /// Starts an Envoy.
    pub fn envoy(&self, scenario: Scenario) -> Result<Envoy> {
        Envoy::start(&self.fresh("envoy"), &scenario, Generation::Only)
    }

    /// Starts an Envoy that [`Stage::hot_restart`] may replace.
    pub fn first_envoy(&self, scenario: Scenario) -> Result<Envoy> {
        Envoy::start(&self.fresh("envoy"), &scenario, Generation::First)
    }

    /// Starts the Envoy that takes over the listeners of the first one, whose process ends some seconds later.
    pub fn hot_restart(&self, first: &Envoy, scenario: Scenario) -> Result<Envoy> {
        let port = |listener: &str| anyhow::Ok(first.listener(listener)?.port());
        let scenario = scenario
            .set("HTTP_PORT", port("direct")?)
            .set("PROXIED_PORT", port("behind_balancer")?)
            .set("TLS_PORT", port("behind_balancer_tls")?);
        let generation = first.next_generation(1)?;
        Envoy::start(&self.fresh("envoy"), &scenario, generation)
    }

    /// Starts a pusher with a store of its own.
    pub fn pusher(&self) -> Result<Pusher> {
        let folder = self.fresh("pusher");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Pusher::start(&folder, &self.keys)
    }

    /// Starts a pusher that also serves the configurations of this file to Envoys.
    pub fn pusher_with_ecds(&self, resources: &Path) -> Result<Pusher> {
        let folder = self.fresh("pusher");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Pusher::start_with_ecds(&folder, &self.keys, resources)
    }

    /// A path that nothing has yet.
    fn fresh(&self, name: &str) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{name}-{number}"))
    }
}
