//! A ruleset of which every answer names the revision that gave it, and is another one in the next revision.
//!
//! So a client can tell of each answer whether it is the verdict of one revision, and which.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use riskgate_compiler::{
    build::{BuildOptions, build},
    front::{self, Sources},
    keys,
};

use crate::{
    http::{Request, Response},
    rulec::Keys,
};

/// Paths `/shelf/0` to `/shelf/7`: each revision denies another of them.
const SHELVES: u64 = 8;

/// Statuses of denials: 400 to 449. Neither Envoy nor the upstream answers so.
const STATUSES: u64 = 50;

/// What the trapping filter knows of a request.
const ATTRIBUTES: &str = "attributes:\n  - { name: trap.armed, type: bool }\n";

/// Builds and signs revisions of one ruleset.
pub struct Revisions {
    ruleset: String,
    key: SigningKey,
    issued_at_s: u64,
    reads_trap: bool,
}

impl Revisions {
    /// Of the ruleset of this name, signed by `keys`.
    pub fn new(ruleset: &str, keys: &Keys) -> Result<Self> {
        Ok(Revisions {
            ruleset: ruleset.to_owned(),
            key: keys::read_signing_key(&keys.private)?,
            issued_at_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            reads_trap: false,
        })
    }

    /// The same with rules that make the filter of `e2e/trapping-filter/` look for the header that traps it.
    #[must_use]
    pub fn reading_trap(self) -> Self {
        Revisions {
            reads_trap: true,
            ..self
        }
    }

    /// The same, issued that much earlier. Bundles live for seven days.
    #[must_use]
    pub fn issued_before(self, earlier: Duration) -> Self {
        Revisions {
            issued_at_s: self.issued_at_s.saturating_sub(earlier.as_secs()),
            ..self
        }
    }

    /// The bundle file of a revision.
    pub fn build(&self, revision: u64) -> Result<Vec<u8>> {
        self.build_with(revision, &[])
    }

    /// The same with a list of these strings, which no path is in.
    pub fn build_with(&self, revision: u64, listed: &[String]) -> Result<Vec<u8>> {
        let mut manifest = format!("language: 1\nruleset: {}\nttl: 7d\n", self.ruleset);
        let mut rules = rules(revision);
        if !listed.is_empty() {
            manifest += "lists: { listed: { type: string, file: listed.txt } }\n";
            rules += "  - { id: listed, when: request.url_path in lists.listed, then: { deny: { status: 451 } } }\n";
        }
        let listed = listed.join("\n");
        if self.reads_trap {
            rules += "  - { id: trap, when: has(trap.armed), then: { score: 1 } }\n";
        }
        let mut sources = Sources::from_texts([
            ("ruleset.yaml", manifest.as_str()),
            ("all.rules.yaml", rules.as_str()),
            ("listed.txt", listed.as_str()),
        ]);
        if self.reads_trap {
            sources = sources.with_attributes("attributes.yaml", ATTRIBUTES);
        }
        let analysis = front::analyse(&sources);
        let report = analysis.report(false);
        let ruleset = analysis.ruleset.with_context(|| report)?;
        let options = BuildOptions {
            revision,
            issued_at_s: self.issued_at_s,
            audience: None,
        };
        Ok(build(&ruleset, &options, &self.key)?)
    }
}

/// A request that some revisions deny; consecutive numbers give different ones.
pub fn shelf_request(number: u64) -> Request {
    Request::get(&format!("/shelf/{}", number % SHELVES))
}

/// The revision that answered [`shelf_request`]; an error if this is not the verdict of any one revision.
pub fn revision_of(number: u64, response: &Response) -> Result<u64> {
    let shelf = number % SHELVES;
    if response.status == 200 {
        let seen = response.seen()?;
        let revision = seen
            .text("x-risk-tag-revision")
            .context("a request passed without rules")?
            .parse()?;
        ensure!(
            revision % SHELVES != shelf,
            "revision {revision} let shelf {shelf} pass, which it denies"
        );
        return Ok(revision);
    }
    let Some(named) = response.header("x-revision") else {
        bail!(
            "status {} without a revision: `{}`",
            response.status,
            String::from_utf8_lossy(&response.body)
        );
    };
    let revision: u64 = std::str::from_utf8(named)?.parse()?;
    ensure!(
        revision % SHELVES == shelf,
        "revision {revision} denied shelf {shelf}, which it lets pass"
    );
    ensure!(
        u64::from(response.status) == status(revision) && response.body == named,
        "a denial by revision {revision} with status {} and body `{}`",
        response.status,
        String::from_utf8_lossy(&response.body)
    );
    Ok(revision)
}

fn rules(revision: u64) -> String {
    let shelf = revision % SHELVES;
    let status = status(revision);
    format!(
        "rules:\n  \
         - {{ id: revision, when: request.url_path.startsWith(\"/shelf/\"), then: {{ tag: {{ revision: \"{revision}\" }} }} }}\n  \
         - {{ id: shelf, when: request.url_path == \"/shelf/{shelf}\", then: {{ deny: {{ status: {status}, \
         headers: {{ x-revision: \"{revision}\" }}, body: \"{revision}\" }} }} }}\n"
    )
}

fn status(revision: u64) -> u64 {
    400 + revision % STATUSES
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn denial(status: u16, revision: &str) -> Response {
        Response {
            status,
            headers: vec![("x-revision".to_owned(), revision.as_bytes().to_vec())],
            body: revision.as_bytes().to_vec(),
        }
    }

    fn pass(tag: &str) -> Response {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let body = json!({
            "method": "GET", "path": "/", "body_b64": "",
            "headers_b64": [["x-risk-tag-revision", STANDARD.encode(tag)]],
        });
        Response {
            status: 200,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }

    #[test]
    fn only_the_verdict_of_one_revision_is_taken() {
        assert_eq!(revision_of(1, &denial(417, "17")).unwrap(), 17);
        assert_eq!(revision_of(2, &pass("17")).unwrap(), 17);
        let mixed = Response {
            body: b"18".to_vec(),
            ..denial(417, "17")
        };
        let refused = Response {
            headers: Vec::new(),
            ..denial(503, "")
        };
        let wrong = [
            (1, pass("17")),
            (2, denial(417, "17")),
            (1, denial(418, "17")),
            (1, mixed),
            (1, refused),
        ];
        for (number, response) in wrong {
            assert!(revision_of(number, &response).is_err(), "{response:?}");
        }
    }
}
