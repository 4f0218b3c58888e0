//! One request, from the host's header map to the verdict applied.

use crate::config::{Config, OnMissing};
use crate::counters::Surroundings;
use crate::host::{Host, Level};
use crate::load::expiry_line;
use crate::metrics::{Metric, Metrics};
use crate::reply::{REQUEST_UNREADABLE, RULESET_UNAVAILABLE, refuse, send};
use crate::request::{Buffers, Inbound, SCORE_HEADER, TAG_HEADER_PREFIX, emptied};
use crate::serving::{Serving, Standing};
use riskgate_engine::bundle::OnExpired;
use riskgate_engine::request::Request;
use riskgate_engine::verdict::{Action, LocalReply, Verdict};
use std::fmt::{Display, Write as _};

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
    pub(crate) fn decide(&self, serving: &mut Serving, buffers: &mut Buffers) -> Flow {
        let wall_ns = self.host.now_ns().ok();
        if wall_ns.is_none() {
            self.count_error();
        }
        let mut map = std::mem::take(&mut buffers.map);
        let inbound = self.take_in(&mut map, buffers);
        let flow = match serving.standing(self.config.min_revision, wall_ns) {
            None => self.without_ruleset(inbound.is_some()),
            Some(standing) => self.by_ruleset(inbound.as_ref(), standing, buffers),
        };
        if let Some(inbound) = inbound {
            inbound.release(buffers);
        }
        buffers.map = map;
        flow
    }

    /// Sorts the headers, and lets the host remove those that only this filter may set; `None` if that failed.
    fn take_in<'m>(&self, map: &'m mut Vec<u8>, buffers: &mut Buffers) -> Option<Inbound<'m>> {
        let told = self.host.request_headers(map).is_ok();
        let inbound = told.then(|| Inbound::read(map, buffers).ok()).flatten();
        let Some(inbound) = inbound else {
            self.count_error();
            return None;
        };
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
    fn by_ruleset(
        &self,
        inbound: Option<&Inbound<'_>>,
        standing: Standing<'_>,
        buffers: &mut Buffers,
    ) -> Flow {
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
            _ => self.by_rules(inbound, standing, buffers),
        }
    }

    fn by_rules(
        &self,
        inbound: &Inbound<'_>,
        standing: Standing<'_>,
        buffers: &mut Buffers,
    ) -> Flow {
        let Standing {
            ruleset,
            scratch,
            counters,
            now_ns,
            ..
        } = standing;
        let Buffers {
            attributes,
            claims: claim_buffer,
            name,
            value,
            pending,
            ..
        } = buffers;
        attributes.fetch(self.host, self.config, ruleset, inbound, name);
        for _ in 0..attributes.failures {
            self.count_error();
        }
        let claims = attributes.claims(ruleset, claim_buffer);
        let request = inbound.request(attributes, &claims, now_ns);
        let verdict = if counters.is_empty() {
            ruleset.decide(&request, scratch)
        } else {
            ruleset.decide_counted(&request, counters, pending, scratch)
        };
        let mut outbound = Outbound {
            decider: self,
            name,
            value,
        };
        let flow = outbound.apply(&verdict, &request, ruleset.revision());
        if !counters.is_empty() {
            if scratch.keys_were_dropped() {
                self.metrics.count(self.host, Metric::CountersDropped);
            }
            counters.exchange_urgent(&Surroundings {
                host: self.host,
                metrics: self.metrics,
                config: self.config,
                time_us: request.time_us,
            });
        }
        *claim_buffer = emptied(claims);
        flow
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
        self.set_state("riskgate.action", Action::Allow.as_str());
        Flow::Continue
    }

    fn deny_undecided(&self, body: &[u8]) -> Flow {
        self.set_state("riskgate.action", Action::Deny.as_str());
        refuse(self.host, self.metrics, body)
    }

    fn set_state(&self, name: &str, value: &str) {
        if self.host.set_property(name, value.as_bytes()).is_err() {
            self.count_error();
        }
    }

    fn count_error(&self) {
        self.metrics.count(self.host, Metric::RequestErrors);
    }
}

/// Carries a verdict out, with buffers for what the host is told.
struct Outbound<'o> {
    decider: &'o Decider<'o>,
    name: &'o mut String,
    value: &'o mut String,
}

impl Outbound<'_> {
    /// Metrics, filter state for access logs, then the answer or the headers for the upstream.
    fn apply(&mut self, verdict: &Verdict<'_>, request: &Request<'_>, revision: u64) -> Flow {
        let Decider { host, metrics, .. } = self.decider;
        metrics.count(*host, decisions(verdict.action()));
        self.publish_state(verdict, revision);
        match verdict.reply(request) {
            Some(reply) => self.decider.answer(&reply),
            None => {
                self.tag_request(verdict);
                Flow::Continue
            }
        }
    }

    fn publish_state(&mut self, verdict: &Verdict<'_>, revision: u64) {
        let decider = self.decider;
        decider.set_state("riskgate.action", verdict.action().as_str());
        self.set_number("riskgate.revision", revision);
        if let Some(rule) = verdict.rule() {
            decider.set_state("riskgate.rule", rule);
        }
        if verdict.is_scored() {
            self.set_number("riskgate.score", verdict.score());
        }
        self.set_list("riskgate.matched", verdict.matched());
        if self.set_list("riskgate.shadowed", verdict.shadowed()) {
            decider.set_state("riskgate.would", verdict.would().as_str());
        }
    }

    fn set_number(&mut self, name: &str, number: impl Display) {
        write(self.value, number);
        self.decider.set_state(name, self.value);
    }

    /// Sets a list of ids, if there is any.
    fn set_list<'v>(&mut self, name: &str, mut ids: impl Iterator<Item = &'v str>) -> bool {
        let Some(first) = ids.next() else {
            return false;
        };
        write(self.value, first);
        for id in ids {
            self.value.push(',');
            self.value.push_str(id);
        }
        self.decider.set_state(name, self.value);
        true
    }

    fn tag_request(&mut self, verdict: &Verdict<'_>) {
        if verdict.is_scored() {
            write(self.value, verdict.score());
            self.set_header(SCORE_HEADER, self.value);
        }
        for (name, value) in verdict.tags() {
            write(self.name, TAG_HEADER_PREFIX);
            self.name.push_str(name);
            self.set_header(self.name, value);
        }
    }

    fn set_header(&self, name: &str, value: &str) {
        let Decider { host, .. } = self.decider;
        let written = is_header_value(value.as_bytes())
            && host
                .replace_request_header(name.as_bytes(), value.as_bytes())
                .is_ok();
        if !written {
            self.decider.count_error();
        }
    }
}

/// Puts a text in place of what `buffer` held.
fn write(buffer: &mut String, text: impl Display) {
    buffer.clear();
    // A string takes everything.
    let _ = write!(buffer, "{text}");
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
