//! JSON Schemas (draft 2020-12) of the files that authors write, and of requests and verdicts, for editors.

use serde_json::{Map, Value};

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// `ruleset.yaml`.
    Ruleset,
    /// `*.rules.yaml`.
    Rules,
    /// `tests/*.test.yaml`.
    Tests,
    /// A request as JSON.
    Request,
    /// A verdict as JSON.
    Verdict,
}

impl Schema {
    /// Every schema.
    pub const ALL: [Schema; 5] = [
        Schema::Ruleset,
        Schema::Rules,
        Schema::Tests,
        Schema::Request,
        Schema::Verdict,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Schema::Ruleset => "ruleset",
            Schema::Rules => "rules",
            Schema::Tests => "tests",
            Schema::Request => "request",
            Schema::Verdict => "verdict",
        }
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}.schema.json", self.name())
    }

    /// The schema; it refers to no other file, so that an editor needs no network for it.
    ///
    /// # Errors
    ///
    /// None: the parts are compiled in, and a test reads them.
    pub fn document(self) -> serde_json::Result<Value> {
        let mut document: Value = serde_json::from_str(self.text())?;
        let mut shared: Map<String, Value> = serde_json::from_str(ACTIONS)?;
        if self == Schema::Tests {
            let mut request = Schema::Request.document()?;
            if let Value::Object(request) = &mut request {
                request.remove("$schema");
            }
            shared.insert("request".to_owned(), request);
        }
        if let Value::Object(document) = &mut document {
            let own = document.remove("$defs");
            if let Some(Value::Object(own)) = own {
                shared.extend(own);
            }
            if !matches!(self, Schema::Request | Schema::Verdict) {
                document.insert("$defs".to_owned(), Value::Object(shared));
            }
        }
        Ok(document)
    }

    fn text(self) -> &'static str {
        match self {
            Schema::Ruleset => include_str!("schema/ruleset.json"),
            Schema::Rules => include_str!("schema/rules.json"),
            Schema::Tests => include_str!("schema/tests.json"),
            Schema::Request => include_str!("schema/request.json"),
            Schema::Verdict => include_str!("schema/verdict.json"),
        }
    }
}

/// What several schemas share.
const ACTIONS: &str = include_str!("schema/actions.json");
