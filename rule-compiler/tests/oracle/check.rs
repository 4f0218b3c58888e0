//! The engine beside the oracle.

use std::collections::BTreeSet;

use riskgate_compiler::build::{BuildError, load_unverified, ruleset_in_memory};
use riskgate_compiler::ir;
use riskgate_compiler::lower::lower;
use riskgate_compiler::session::ExactStore;
use riskgate_engine::bundle::writer::{NewSection, UnsignedBundle};
use riskgate_engine::bundle::{ENGINE_VERSION, Manifest, OnExpired, Signature};
use riskgate_engine::counters::Pending;
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;
use riskgate_engine::ruleset::{HeadDecision, Ruleset, Scratch};
use riskgate_engine::verdict::{LocalReply, Verdict};

use super::generate::{Damage, RequestCase, ResponseCase};
use super::{Ledger, OracleReply, OracleVerdict, decide};

/// A ruleset as both see it.
pub(crate) struct Both<'a> {
    ir: &'a ir::Ruleset,
    compiled: Ruleset,
}

impl<'a> Both<'a> {
    /// Builds the bundle and loads it the way a filter does.
    pub(crate) fn new(ir: &'a ir::Ruleset) -> Self {
        Self::built(ir).expect("a generated ruleset compiles")
    }

    pub(crate) fn built(ir: &'a ir::Ruleset) -> Result<Self, BuildError> {
        Ok(Self {
            ir,
            compiled: ruleset_in_memory(ir)?,
        })
    }

    /// What the oracle says and what the engine says.
    pub(crate) fn verdicts(
        &self,
        request: &RequestCase,
        scratch: &mut Scratch,
    ) -> (OracleVerdict, OracleVerdict) {
        request.with(|request| {
            let verdict = self.compiled.decide(request, scratch);
            let names: BTreeSet<&str> = verdict.tags().map(|(name, _)| name).collect();
            assert_eq!(names.len(), verdict.tags().count(), "a tag stands twice");
            (decide(self.ir, request), plain(&verdict, request))
        })
    }

    /// What the oracle says and what the engine says of a request that is counted, and of its response. By the head, if the
    /// body makes no difference, as a filter does.
    pub(crate) fn counted(
        &self,
        (request, response): &(RequestCase, Option<ResponseCase>),
        counting: &mut Counting,
    ) -> (OracleVerdict, OracleVerdict) {
        let Counting {
            by_head,
            ledger,
            store,
            pending,
            scratch,
        } = counting;
        let compiled = &self.compiled;
        let mut decide = |request: &Request<'_>, response: Option<&Response<'_>>| {
            let mut engine = None;
            if *by_head
                && let HeadDecision::Decided(verdict) =
                    compiled.decide_head_counted(request, store, pending, scratch, || false)
            {
                engine = Some(plain(&verdict, request));
            }
            let engine = engine.unwrap_or_else(|| {
                let verdict = compiled.decide_counted(request, store, pending, scratch);
                plain(&verdict, request)
            });
            if let Some(response) = response {
                let time_us = request.time_us;
                compiled.count_response(pending, response, time_us, store, scratch);
            }
            (ledger.decide(self.ir, request, response), engine)
        };
        request.with(|request| match response {
            Some(response) => response.with(|response| decide(request, Some(response))),
            None => decide(request, None),
        })
    }

    /// What of a request and its response the ruleset says it reads.
    pub(crate) fn counted_needs(
        &self,
        (request, response): &(RequestCase, Option<ResponseCase>),
    ) -> (RequestCase, Option<ResponseCase>) {
        let needs = self.compiled.needs();
        let mut response = response.clone();
        if let Some(response) = &mut response {
            response.code.take_if(|_| !needs.response_code());
            let is_read = |name: &[u8]| self.compiled.response_headers().any(|read| read == name);
            response
                .headers
                .retain(|(name, _)| needs.response_headers() && is_read(&name.0));
        }
        let response = response.filter(|_| self.compiled.counts_responses());
        (self.needed(request), response)
    }

    /// What the engine says of a request from which all is left out that the ruleset does not say it reads.
    pub(crate) fn verdict_of_needed(&self, request: &RequestCase) -> OracleVerdict {
        self.needed(request).with(|request| {
            plain(
                &self.compiled.decide(request, &mut Scratch::default()),
                request,
            )
        })
    }

    fn needed(&self, request: &RequestCase) -> RequestCase {
        let needs = self.compiled.needs();
        let RequestCase {
            method,
            scheme,
            host,
            path,
            protocol,
            id,
            mut headers,
            source_ip,
            client_ip,
            time_us,
            mtls,
            peer_uri_san,
            peer_subject,
            server_name,
            tls_version,
            mut claims,
            mut custom,
            body,
        } = request.clone();
        headers.retain(|_| needs.headers());
        claims.retain(|(name, _)| {
            needs.claims()
                && self
                    .compiled
                    .claims()
                    .any(|needed| needed.as_bytes() == name.0)
        });
        custom.retain(|(name, _)| {
            let mut names = self.compiled.custom();
            needs.custom() && names.any(|needed| needed.as_bytes() == name.0)
        });
        RequestCase {
            method: method.filter(|_| needs.method()),
            scheme: scheme.filter(|_| needs.scheme()),
            host: host.filter(|_| needs.host()),
            path: path.filter(|_| needs.path()),
            protocol: protocol.filter(|_| needs.protocol()),
            id: id.filter(|_| needs.id()),
            headers,
            source_ip: source_ip.filter(|_| needs.source_ip()),
            client_ip: client_ip.filter(|_| needs.client_ip()),
            time_us,
            mtls: mtls.filter(|_| needs.mtls()),
            peer_uri_san: peer_uri_san.filter(|_| needs.peer_uri_san()),
            peer_subject: peer_subject.filter(|_| needs.peer_subject()),
            server_name: server_name.filter(|_| needs.server_name()),
            tls_version: tls_version.filter(|_| needs.tls_version()),
            claims,
            custom,
            body: body.filter(|_| needs.body()),
        }
    }

    /// What the engine says before the body is here, if it says anything.
    pub(crate) fn verdict_of_head(
        &self,
        request: &RequestCase,
        scratch: &mut Scratch,
    ) -> Option<OracleVerdict> {
        request.with(
            |request| match self.compiled.decide_head(request, scratch) {
                HeadDecision::Decided(verdict) => Some(plain(&verdict, request)),
                HeadDecision::NeedsBody => None,
            },
        )
    }

    /// Whether the engine found that the body is not the JSON that rules ask for.
    pub(crate) fn has_malformed_body(&self, request: &RequestCase, scratch: &mut Scratch) -> bool {
        request.with(|request| {
            let verdict = self.compiled.decide(request, scratch);
            verdict.has_malformed_body()
        })
    }
}

/// What both have counted.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// Whether the engine is asked before the body is here.
    pub(crate) by_head: bool,
    ledger: Ledger,
    store: ExactStore,
    pending: Pending,
    scratch: Scratch,
}

/// Decides the requests by a ruleset whose sections have been damaged, if it loads: whatever comes of it, nothing may panic.
pub(crate) fn decide_damaged(
    ir: &ir::Ruleset,
    damages: &[Damage],
    requests: &[RequestCase],
) -> bool {
    let mut sections = lower(ir).expect("a generated ruleset compiles");
    for damage in damages {
        let section = damage.section.index(sections.len());
        damage.apply(&mut sections[section].bytes);
    }
    decide_sections(sections, requests)
}

/// Decides the requests by what a signer has signed, if it loads.
pub(crate) fn decide_sections(sections: Vec<NewSection>, requests: &[RequestCase]) -> bool {
    let signature = Signature {
        key_id: [0; 32],
        bytes: [0; 64],
    };
    let bytes =
        UnsignedBundle::new(manifest(), sections).and_then(|bundle| bundle.finish(vec![signature]));
    let Some(compiled) = bytes
        .ok()
        .and_then(|bytes| load_unverified(&bytes, None).ok())
    else {
        return false;
    };
    decides(&compiled, requests);
    true
}

/// Decides the requests, counts them and their responses, and reads all of the verdicts.
pub(crate) fn decides(compiled: &Ruleset, requests: &[RequestCase]) {
    let Counting {
        mut store,
        mut pending,
        mut scratch,
        ..
    } = Counting::default();
    let headers: &[(&[u8], &[u8])] = &[(b"x-a", b"abc"), (b"x-n", b"5"), (b"x-n", b"")];
    let response = Response {
        code: Some(401),
        headers,
    };
    for request in requests {
        request.with(|request| {
            let (store, pending, scratch) = (&mut store, &mut pending, &mut scratch);
            let verdict = compiled.decide_counted(request, store, pending, scratch);
            plain(&verdict, request);
            compiled.count_response(pending, &response, request.time_us, store, scratch);
        });
    }
}

fn manifest() -> Manifest<'static> {
    Manifest {
        min_engine: ENGINE_VERSION,
        ruleset: "damaged",
        audience: None,
        revision: 1,
        issued_at_s: 0,
        not_before_s: 0,
        expires_at_s: 3600,
        on_expired: OnExpired::Keep,
        restores: None,
        table_hash: [0; 32],
    }
}

/// The one verdict that oracle and engine agree on.
pub(crate) fn agreed(ruleset: &ir::Ruleset, request: &RequestCase) -> OracleVerdict {
    let both = Both::new(ruleset);
    let (oracle, engine) = both.verdicts(request, &mut Scratch::default());
    assert_eq!(oracle, engine, "{ruleset:#?}\n{request:#?}");
    assert_eq!(
        oracle,
        both.verdict_of_needed(request),
        "{ruleset:#?}\n{request:#?}"
    );
    oracle
}

fn plain(verdict: &Verdict<'_>, request: &Request<'_>) -> OracleVerdict {
    OracleVerdict {
        action: verdict.action().to_string(),
        status: verdict.status(),
        rule: verdict.rule().map(str::to_owned),
        band: verdict.band(),
        score: verdict.score(),
        tags: verdict
            .tags()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
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
