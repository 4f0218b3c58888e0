//! Which requests the demo sends: a few of the corpus, no two of which a rule decides alike.

use std::fs;

use anyhow::{Context, Result};
use riskgate_e2e::{Planned, root};
use serde_json::Value;

const SHOWN: usize = 16;

/// A request of the corpus.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) planned: Planned,
}

/// Of each deciding rule and action the first request; of those a few, spread over the corpus.
pub(crate) fn telling() -> Result<Vec<Case>> {
    let path = root().join("testdata/requests/storefront.jsonl");
    let corpus = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut first_of_kind: Vec<(String, Value)> = Vec::new();
    for line in corpus.lines() {
        let case: Value =
            serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON"))?;
        let kind = kind(&case);
        if first_of_kind.iter().all(|(seen, _)| *seen != kind) {
            first_of_kind.push((kind, case));
        }
    }
    let shown = SHOWN.min(first_of_kind.len());
    let spread =
        (0..shown).filter_map(|index| first_of_kind.get(index * first_of_kind.len() / shown));
    spread.map(|(_, case)| telling_case(case)).collect()
}

fn kind(case: &Value) -> String {
    let part = |pointer: &str| {
        case.pointer(pointer)
            .map(Value::to_string)
            .unwrap_or_default()
    };
    format!(
        "{} {} {}",
        part("/expect/action"),
        part("/expect/rule"),
        part("/expect/band")
    )
}

fn telling_case(case: &Value) -> Result<Case> {
    let name = case
        .get("name")
        .and_then(Value::as_str)
        .context("a line without a name")?;
    let request = case.get("request").context("a line without a request")?;
    Ok(Case {
        name: name.to_owned(),
        planned: Planned::from_json(request)?,
    })
}
