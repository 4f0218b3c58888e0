//! The change that the demo makes to a rule while Envoy runs.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use riskgate_e2e::{Planned, Request};

const FILE: &str = "30-scanners.rules.yaml";
const RULE: &str = "  - id: block-scanners\n";
const KEY: &str = "\n    then: ";
const NEW: &str = "{ challenge: { status: 401 } }";

/// What was changed, to be shown.
pub(crate) struct Change {
    pub(crate) file: &'static str,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// A request that the rule decides, from an address of no list.
pub(crate) fn request() -> Planned {
    Planned {
        request: Request::get("/item?id=1").header("user-agent", "sqlmap/1.8"),
        source_ip: [203, 0, 113, 200].into(),
        tls: false,
        peer_uri_san: None,
    }
}

/// Makes the rule challenge what it denied.
pub(crate) fn apply(ruleset: &Path) -> Result<Change> {
    let path = ruleset.join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let missing = || {
        format!(
            "{} has no rule block-scanners with a `then` on one line",
            path.display()
        )
    };
    let (before, rest) = text.split_once(RULE).with_context(missing)?;
    let (head, rest) = rest.split_once(KEY).with_context(missing)?;
    let (old, rest) = rest.split_once('\n').with_context(missing)?;
    let edited = [before, RULE, head, KEY, NEW, "\n", rest].concat();
    fs::write(&path, edited).with_context(|| format!("write {}", path.display()))?;
    Ok(Change {
        file: FILE,
        old: format!("then: {old}"),
        new: format!("then: {NEW}"),
    })
}
