//! One request, from the host's header map to the verdict applied.

use crate::config::{Config, OnMissing};
use crate::headers;
use crate::host::{Host, Level};
use crate::load::expiry_line;
use crate::metrics::{Metric, Metrics};
use crate::request::{Attributes, Inbound, SCORE_HEADER, TAG_HEADER_PREFIX};
use crate::serving::{Serving, Standing};
use riskgate_engine::bundle::OnExpired;
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{Ruleset, Scratch};
use riskgate_engine::verdict::{Action, LocalReply, Verdict};

/// What becomes of the request in the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on to the next filter.
    Continue,
    /// It was answered, or must not go on.
    Answered,
}

/// What the decision of a request takes from the filter, besides what serves.
pub(crate) struct Decider<'d> {
    pub(crate) host: &'d dyn Host,
    pub(crate) config: &'d Config,
    pub(crate) metrics: &'d Metrics,
}

impl Decider<'_> {
    /// Decides the request whose callback runs.
    pub(crate) fn decide(&self, serving: &mut Serving) -> Flow {
        let now_ns = self.host.now_ns().unwrap_or_else(|_| {
            self.count_error();
            0
        });
        self.note_time(serving, now_ns);
        let map = self.host.request_headers().unwrap_or_default();
        let Ok(headers) = headers::decode(&map) else {
            return self.give_up_on_headers();
        };
        let inbound = Inbound::sort(headers);
        self.strip_forged(&inbound);
        match serving.standing() {
            Standing::Missing => self.missing(),
            Standing::Rules {
                ruleset,
                scratch,
                expired,
            } => {
                if expired {
                    self.metrics.count(self.host, Metric::DecisionsExpired);
                }
                match ruleset.on_expired() {
                    OnExpired::Allow if expired => self.allow_undecided(),
                    OnExpired::Deny if expired => self.deny_undecided(),
                    _ => self.by_rules(&inbound, now_ns, ruleset, scratch),
                }
            }
        }
    }

    fn by_rules(
        &self,
        inbound: &Inbound<'_>,
        now_ns: u64,
        ruleset: &Ruleset,
        scratch: &mut Scratch,
    ) -> Flow {
        let attributes = Attributes::fetch(self.host, self.config, ruleset);
        for _ in 0..attributes.failures {
            self.count_error();
        }
        let claims = attributes.claims();
        let request = inbound.request(&attributes, &claims, self.config, now_ns);
        let verdict = ruleset.decide(&request, scratch);
        self.apply(&verdict, &request, ruleset.revision())
    }

    /// Carries a verdict out: metrics, filter state for access logs, then the answer or the headers for the upstream.
    fn apply(&self, verdict: &Verdict<'_>, request: &Request<'_>, revision: u64) -> Flow {
        self.metrics.count(self.host, decisions(verdict.action()));
        self.publish_state(verdict, revision);
        match verdict.reply(request) {
            Some(reply) => self.answer(&reply),
            None => {
                self.tag_request(verdict);
                Flow::Continue
            }
        }
    }

    fn publish_state(&self, verdict: &Verdict<'_>, revision: u64) {
        self.set_state("riskgate.action", verdict.action());
        self.set_state("riskgate.revision", revision);
        if let Some(rule) = verdict.rule() {
            self.set_state("riskgate.rule", rule);
        }
        if verdict.is_scored() {
            self.set_state("riskgate.score", verdict.score());
        }
        self.set_list("riskgate.matched", verdict.matched());
        if self.set_list("riskgate.shadowed", verdict.shadowed()) {
            self.set_state("riskgate.would", verdict.would());
        }
    }

    fn set_state(&self, name: &str, value: impl ToString) {
        if self
            .host
            .set_property(&[name], value.to_string().as_bytes())
            .is_err()
        {
            self.count_error();
        }
    }

    /// Sets a list of ids, if there is any.
    fn set_list<'v>(&self, name: &str, ids: impl Iterator<Item = &'v str>) -> bool {
        let ids: Vec<&str> = ids.collect();
        if !ids.is_empty() {
            self.set_state(name, ids.join(","));
        }
        !ids.is_empty()
    }

    fn tag_request(&self, verdict: &Verdict<'_>) {
        if verdict.is_scored() {
            self.set_header(SCORE_HEADER, &verdict.score().to_string());
        }
        for (name, value) in verdict.tags() {
            self.set_header(&format!("{TAG_HEADER_PREFIX}{name}"), value);
        }
    }

    fn set_header(&self, name: &str, value: &str) {
        let written = is_header_value(value.as_bytes())
            && self
                .host
                .replace_request_header(name.as_bytes(), value.as_bytes())
                .is_ok();
        if !written {
            self.count_error();
        }
    }

    fn answer(&self, reply: &LocalReply) -> Flow {
        let (good, bad): (Vec<_>, Vec<_>) = reply
            .headers
            .iter()
            .partition(|(_, value)| is_header_value(value));
        if !bad.is_empty() {
            self.count_error();
        }
        let headers: Vec<_> = good
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]))
            .collect();
        self.send(reply.status, &headers, &reply.body)
    }

    /// A request that is to be answered never goes on, even if the host will not take the answer.
    fn send(&self, status: u16, headers: &[headers::Header<'_>], body: &[u8]) -> Flow {
        if self
            .host
            .send_local_response(status, headers, body)
            .is_err()
        {
            self.count_error();
            let _ = self.host.send_local_response(403, &[], &[]);
        }
        Flow::Answered
    }

    fn missing(&self) -> Flow {
        self.metrics.count(self.host, Metric::DecisionsMissing);
        match self.config.on_missing {
            OnMissing::Allow => self.allow_undecided(),
            OnMissing::Deny => self.deny_undecided(),
        }
    }

    fn allow_undecided(&self) -> Flow {
        self.set_state("riskgate.action", Action::Allow);
        Flow::Continue
    }

    fn deny_undecided(&self) -> Flow {
        self.set_state("riskgate.action", Action::Deny);
        unavailable(self.host, self.metrics)
    }

    /// A request whose headers nobody can read is like one without a ruleset.
    fn give_up_on_headers(&self) -> Flow {
        self.count_error();
        let _ = self.host.remove_request_header(SCORE_HEADER.as_bytes());
        self.missing()
    }

    fn strip_forged(&self, inbound: &Inbound<'_>) {
        for name in &inbound.forged {
            if self.host.remove_request_header(name).is_err() {
                self.count_error();
            }
        }
    }

    fn note_time(&self, serving: &mut Serving, now_ns: u64) {
        if serving.note_time(now_ns / crate::NS_PER_S) {
            let revision = serving.mark().map_or(0, |mark| mark.revision);
            self.host
                .log(Level::Error, &expiry_line(&self.config.ruleset, revision));
        }
    }

    fn count_error(&self) {
        self.metrics.count(self.host, Metric::RequestErrors);
    }
}

/// The answer when nothing can be decided and nothing may pass.
pub(crate) fn unavailable(host: &dyn Host, metrics: &Metrics) -> Flow {
    const BODY: &[u8] = br#"{"error":"ruleset_unavailable"}"#;
    if host
        .send_local_response(503, &[(b"content-type", b"application/json")], BODY)
        .is_err()
    {
        metrics.count(host, Metric::RequestErrors);
    }
    Flow::Answered
}

fn decisions(action: Action) -> Metric {
    match action {
        Action::Allow => Metric::DecisionsAllow,
        Action::Deny => Metric::DecisionsDeny,
        Action::Challenge => Metric::DecisionsChallenge,
    }
}

/// RFC 9110, section 5.5: visible characters, spaces, tabs and bytes from 0x80 up; nothing that could end a line.
fn is_header_value(value: &[u8]) -> bool {
    value
        .iter()
        .all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_cannot_end_a_line() {
        for good in [&b""[..], b"plain text", b"a\tb", b"caf\xe9"] {
            assert!(is_header_value(good), "{good:?}");
        }
        for bad in [&b"a\r\nset-cookie: b"[..], b"\n", b"\0", b"\x7f"] {
            assert!(!is_header_value(bad), "{bad:?}");
        }
    }
}
