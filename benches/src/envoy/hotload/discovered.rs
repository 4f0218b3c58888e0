//! Envoy's Lua filter, its script discovered from a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::super::bootstrap::Bootstrap;
use super::super::lua;
use super::super::process::Envoy;
use crate::model::Rule;

const NAME: &str = "lua";
const TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";

/// An Envoy, and the file that it takes its filter from.
pub(super) struct Discovered {
    pub(super) envoy: Envoy,
    /// Nothing else is in there: Envoy looks at every file that is moved to it.
    watched: PathBuf,
    version: u64,
}

impl Discovered {
    pub(super) fn start(workers: usize, folder: &Path, first: &[Rule]) -> Result<Discovered> {
        let watched = folder.join("watched");
        fs::create_dir_all(&watched)?;
        write(&watched, 1, first)?;
        let filter = json!({
            "name": NAME,
            "config_discovery": {
                "config_source": {
                    "path_config_source": { "path": file(&watched), "watched_directory": { "path": watched } },
                    "initial_fetch_timeout": "30s",
                },
                "type_urls": [TYPE],
            },
        });
        let bootstrap = Bootstrap {
            filter: Some(filter),
            access_log: None,
            pusher: None,
        };
        Ok(Discovered {
            envoy: Envoy::start_with(folder, &bootstrap.to_json(), workers)?,
            watched,
            version: 1,
        })
    }

    /// Replaces the script, and returns when that was done.
    pub(super) fn update(&mut self, rules: &[Rule]) -> Result<Instant> {
        self.version += 1;
        write(&self.watched, self.version, rules)?;
        Ok(Instant::now())
    }
}

fn write(watched: &Path, version: u64, rules: &[Rule]) -> Result<()> {
    let response: Value = json!({
        "version_info": version.to_string(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": NAME,
            "typed_config": {
                "@type": TYPE,
                "default_source_code": { "inline_string": lua::indexed(rules) },
            },
        }],
    });
    let next = watched.join("next");
    fs::write(&next, response.to_string()).with_context(|| next.display().to_string())?;
    fs::rename(&next, file(watched)).context("move the script to its place")
}

fn file(watched: &Path) -> PathBuf {
    watched.join("filter.json")
}
