//! Envoy's access log, as the shipped bootstraps write it: a JSON object a line.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{http::Source, wait};

/// The file that an Envoy writes to.
#[derive(Clone, Debug)]
pub struct AccessLog {
    path: PathBuf,
}

/// One line of it.
#[derive(Clone, Debug)]
pub struct LogLine(Value);

impl LogLine {
    /// A field as text; nothing when Envoy had no value for it.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    fn is_of(&self, source: Source) -> bool {
        let port = self
            .text("client")
            .and_then(|client| client.rsplit(':').next());
        port.is_some_and(|port| port == source.port.to_string())
    }
}

impl AccessLog {
    pub(crate) fn at(path: PathBuf) -> Self {
        AccessLog { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the line of the request that came from this source. Envoy writes a line a moment after its answer.
    ///
    /// The port finds it: addresses have more than one spelling.
    pub fn line_of(&self, source: Source) -> Result<LogLine> {
        let end_of_client = format!(":{}\"", source.port);
        wait::until(&format!("the access log's line of {source:?}"), || {
            let log = fs::read_to_string(&self.path);
            let log = log.with_context(|| format!("read {}", self.path.display()))?;
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let candidates = whole.lines().filter(|line| line.contains(&end_of_client));
            let parsed = candidates.map(parse).collect::<Result<Vec<_>>>()?;
            Ok(parsed.into_iter().find(|line| line.is_of(source)))
        })
    }
}

fn parse(line: &str) -> Result<LogLine> {
    let value = serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON"))?;
    Ok(LogLine(value))
}
