//! One request, from the host's header map to the verdict applied.

use crate::config::{Config, OnMissing};
use crate::headers;
use crate::host::{Host, Level};
use crate::load::expiry_line;
use crate::metrics::{Metric, Metrics};
use crate::reply::{REQUEST_UNREADABLE, RULESET_UNAVAILABLE, refuse, send};
use crate::request::{Attributes, Inbound, SCORE_HEADER, TAG_HEADER_PREFIX};
use crate::serving::{Serving, Standing};
use riskgate_engine::bundle::OnExpired;
use riskgate_engine::request::Request;
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
        let wall_ns = self.host.now_ns().ok();
        if wall_ns.is_none() {
            self.count_error();
        }
        let map = self.host.request_headers().unwrap_or_default();
        let inbound = self.take_in(&map);
        match serving.standing(self.config.min_revision, wall_ns) {
            None => self.without_ruleset(inbound.is_some()),
            Some(standing) => self.by_ruleset(inbound.as_ref(), standing),
        }
    }

    /// Sorts the headers, and lets the host remove those that only this filter may set; `None` if that failed.
    fn take_in<'m>(&self, map: &'m [u8]) -> Option<Inbound<'m>> {
        let Ok(headers) = headers::decode(map) else {
            self.count_error();
            return None;
        };
        let inbound = Inbound::sort(headers);
        let mut clean = true;
        for name in &inbound.forged {
            if self.host.remove_request_header(name).is_err() {
                self.count_error();
                clean = false;
            }
        }
        clean.then_some(inbound)
    }

    /// The headers of a request may be all that a rule would refuse it for: without them it does not pass, whatever
    /// the ruleset says about expiry.
    fn by_ruleset(&self, inbound: Option<&Inbound<'_>>, standing: Standing<'_>) -> Flow {
        if standing.expired_just_now {
            let line = expiry_line(&self.config.ruleset, standing.ruleset.revision());
            self.host.log(Level::Error, &line);
        }
        let Some(inbound) = inbound else {
            return self.unreadable();
        };
        if standing.expired {
            self.metrics.count(self.host, Metric::DecisionsExpired);
        }
        match standing.ruleset.on_expired() {
            OnExpired::Allow if standing.expired => self.allow_undecided(),
            OnExpired::Deny if standing.expired => self.deny_undecided(RULESET_UNAVAILABLE),
            _ => self.by_rules(inbound, standing),
        }
    }

    fn by_rules(&self, inbound: &Inbound<'_>, standing: Standing<'_>) -> Flow {
        let Standing {
            ruleset,
            scratch,
            now_ns,
            ..
        } = standing;
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
        send(self.host, self.metrics, reply.status, &headers, &reply.body)
    }

    fn without_ruleset(&self, readable: bool) -> Flow {
        self.metrics.count(self.host, Metric::DecisionsMissing);
        if !readable {
            let _ = self.host.remove_request_header(SCORE_HEADER.as_bytes());
        }
        match self.config.on_missing {
            OnMissing::Allow => self.allow_undecided(),
            OnMissing::Deny => self.deny_undecided(RULESET_UNAVAILABLE),
        }
    }

    fn unreadable(&self) -> Flow {
        self.metrics.count(self.host, Metric::DecisionsUnreadable);
        self.deny_undecided(REQUEST_UNREADABLE)
    }

    fn allow_undecided(&self) -> Flow {
        self.set_state("riskgate.action", Action::Allow);
        Flow::Continue
    }

    fn deny_undecided(&self, body: &[u8]) -> Flow {
        self.set_state("riskgate.action", Action::Deny);
        refuse(self.host, self.metrics, body)
    }

    fn count_error(&self) {
        self.metrics.count(self.host, Metric::RequestErrors);
    }
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
