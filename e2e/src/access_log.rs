//! Envoy's access log, as the shipped bootstraps write it: a JSON object a line.

use std::{fs, path::PathBuf};

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
}

impl AccessLog {
    pub(crate) fn at(path: PathBuf) -> Self {
        AccessLog { path }
    }

    /// Waits for the line of the request that came from this source. Envoy writes a line a moment after its answer.
    pub fn line_of(&self, source: Source) -> Result<LogLine> {
        let client = std::net::SocketAddr::new(source.ip, source.port).to_string();
        wait::until(&format!("the access log's line of {client}"), || {
            let lines = self.lines()?;
            Ok(lines
                .into_iter()
                .find(|line| line.text("client") == Some(&client)))
        })
    }

    /// Every whole line so far.
    pub fn lines(&self) -> Result<Vec<LogLine>> {
        let log = fs::read_to_string(&self.path)
            .with_context(|| format!("read {}", self.path.display()))?;
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse = |line: &str| {
            serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON"))
        };
        whole
            .lines()
            .map(|line| Ok(LogLine(parse(line)?)))
            .collect()
    }
}
