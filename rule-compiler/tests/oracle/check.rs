//! The engine beside the oracle.

use riskgate_compiler::build::ruleset_in_memory;
use riskgate_compiler::ir;
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{Ruleset, Scratch};
use riskgate_engine::verdict::{LocalReply, Verdict};

use super::generate::RequestCase;
use super::{OracleReply, OracleVerdict, decide};

/// A ruleset as both see it.
pub(crate) struct Both<'a> {
    ir: &'a ir::Ruleset,
    compiled: Ruleset,
}

impl<'a> Both<'a> {
    /// Builds the bundle and loads it the way a filter does.
    pub(crate) fn new(ir: &'a ir::Ruleset) -> Self {
        Self {
            ir,
            compiled: ruleset_in_memory(ir).expect("a generated ruleset compiles"),
        }
    }

    /// What the oracle says and what the engine says.
    pub(crate) fn verdicts(
        &self,
        request: &RequestCase,
        scratch: &mut Scratch,
    ) -> (OracleVerdict, OracleVerdict) {
        request.with(|request| {
            let verdict = self.compiled.decide(request, scratch);
            (decide(self.ir, request), plain(&verdict, request))
        })
    }
}

/// The one verdict that oracle and engine agree on.
pub(crate) fn agreed(ruleset: &ir::Ruleset, request: &RequestCase) -> OracleVerdict {
    let (oracle, engine) = Both::new(ruleset).verdicts(request, &mut Scratch::default());
    assert_eq!(oracle, engine, "{ruleset:#?}\n{request:#?}");
    oracle
}

fn plain(verdict: &Verdict<'_>, request: &Request<'_>) -> OracleVerdict {
    let tags: Vec<(String, String)> = verdict
        .tags()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let by_name = tags.iter().cloned().collect();
    assert_eq!(
        tags.len(),
        std::collections::BTreeMap::len(&by_name),
        "a tag stands twice in {tags:?}"
    );
    OracleVerdict {
        action: verdict.action().to_string(),
        status: verdict.status(),
        rule: verdict.rule().map(str::to_owned),
        band: verdict.band(),
        score: verdict.score(),
        tags: by_name,
        matched: verdict.matched().map(str::to_owned).collect(),
        shadowed: verdict.shadowed().map(str::to_owned).collect(),
        would: verdict.would().to_string(),
        reply: verdict.reply(request).map(plain_reply),
    }
}

fn plain_reply(
    LocalReply {
        status,
        headers,
        body,
    }: LocalReply,
) -> OracleReply {
    OracleReply {
        status,
        headers,
        body,
    }
}
