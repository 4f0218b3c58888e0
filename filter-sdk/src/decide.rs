//! One request, from the host's header map to the verdict applied.

use crate::body::{Body, OnUnreadableBody, Unreadable};
use crate::config::{Config, OnMissing};
use crate::counters::{NodeCounters, Surroundings};
use crate::custom::{CustomAttributes, CustomValues};
use crate::host::{Host, Level};
use crate::load::expiry_line;
use crate::metrics::{Metric, Metrics};
use crate::reply::{REQUEST_UNREADABLE, RULESET_UNAVAILABLE, refuse, send};
use crate::request::{Attributes, Buffers, CustomBuffers, Inbound, emptied};
use crate::serving::{Serving, Standing};
use riskgate_engine::bundle::OnExpired;
use riskgate_engine::counters::Pending;
use riskgate_engine::headers::{SCORE_HEADER, TAG_HEADER_PREFIX};
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{HeadDecision, Ruleset, Scratch};
use riskgate_engine::verdict::{Action, LocalReply, Verdict};
use std::fmt::{Display, Write as _};

/// What becomes of the request in the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on to the next filter.
    Continue,
    /// It waits for its body.
    Wait,
    /// It was answered, or must not go on.
    Answered,
}

/// What the decision of a request takes from the filter, besides what serves.
pub(crate) struct Decider<'d> {
    pub(crate) host: &'d dyn Host,
    pub(crate) config: &'d Config,
    pub(crate) metrics: &'d Metrics,
    pub(crate) custom: Option<&'d dyn CustomAttributes>,
}

impl Decider<'_> {
    /// Decides the request whose callback runs, or finds that it has to wait for its body.
    pub(crate) fn decide(&self, serving: &mut Serving, body: Body, buffers: &mut Buffers) -> Flow {
        let wall_ns = self.host.now_ns().ok();
        if wall_ns.is_none() {
            self.count_error();
        }
        let mut map = std::mem::take(&mut buffers.map);
        let inbound = self.take_in(&mut map, buffers);
        let flow = match serving.standing(self.config.min_revision, wall_ns) {
            None => self.without_ruleset(inbound.is_some()),
            Some(standing) => self.by_ruleset(inbound.as_ref(), standing, body, buffers),
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
        body: Body,
        buffers: &mut Buffers,
    ) -> Flow {
        if standing.expired_just_now {
            let line = expiry_line(&self.config.ruleset, standing.ruleset.revision());
            self.host.log(Level::Error, &line);
        }
        let Some(inbound) = inbound else {
            return self.unreadable();
        };
        let is_first_callback = matches!(body, Body::Absent | Body::Coming);
        if standing.expired && is_first_callback {
            self.metrics.count(self.host, Metric::DecisionsExpired);
        }
        match standing.ruleset.on_expired() {
            OnExpired::Allow if standing.expired => self.allow_undecided(),
            OnExpired::Deny if standing.expired => self.deny_undecided(RULESET_UNAVAILABLE),
            _ => self.by_rules(inbound, standing, body, buffers),
        }
    }

    fn by_rules(
        &self,
        inbound: &Inbound<'_>,
        standing: Standing<'_>,
        body: Body,
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
            custom: CustomBuffers { values, pairs },
            name,
            value,
            pending,
            body: bytes,
            ..
        } = buffers;
        self.ask(attributes, ruleset, inbound, name);
        let claims = attributes.claims(ruleset, claim_buffer);
        self.supply(ruleset, values);
        let custom = values.pairs(pairs);
        let whole = (body == Body::Whole).then_some(&bytes[..]);
        let request = inbound.request(attributes, [&claims, &custom], whole, now_ns);
        let judged = Judged {
            ruleset,
            counters,
            pending,
            scratch,
        }
        .judge(&request, body, || {
            Unreadable::foreseen(inbound, self.config.body_limit_bytes)
        });
        let flow = match judged {
            None => {
                self.metrics.count(self.host, Metric::BodiesAwaited);
                Flow::Wait
            }
            Some((verdict, unreadable)) => {
                let mut outbound = Outbound {
                    decider: self,
                    name,
                    value,
                };
                outbound.apply_unless(unreadable, &verdict, &request, ruleset.revision())
            }
        };
        if flow != Flow::Wait && !counters.is_empty() {
            self.finish_counting(scratch, counters, request.time_us);
        }
        *claim_buffer = emptied(claims);
        *pairs = emptied(custom);
        flow
    }

    /// What the rules read of the host's properties. `path` is a buffer.
    fn ask(
        &self,
        attributes: &mut Attributes,
        ruleset: &Ruleset,
        inbound: &Inbound<'_>,
        path: &mut String,
    ) {
        attributes.fetch(self.host, self.config, ruleset, inbound, path);
        for _ in 0..attributes.failures {
            self.count_error();
        }
    }

    fn supply(&self, ruleset: &Ruleset, values: &mut CustomValues) {
        values.clear();
        if let Some(custom) = self.custom
            && ruleset.needs().custom()
        {
            custom.supply(self.host, &mut ruleset.custom(), values);
        }
    }

    fn finish_counting(&self, scratch: &Scratch, counters: &mut NodeCounters, time_us: i64) {
        if scratch.keys_were_dropped() {
            self.metrics.count(self.host, Metric::CountersDropped);
        }
        counters.exchange_urgent(&Surroundings {
            host: self.host,
            metrics: self.metrics,
            config: self.config,
            time_us,
        });
    }

    /// Refuses a request whose body cannot be read.
    fn refuse_body(&self, unreadable: Unreadable) -> Flow {
        self.set_state("riskgate.action", Action::Deny.as_str());
        let (status, body) = unreadable.answer();
        let headers = [(&b"content-type"[..], &b"application/json"[..])];
        send(self.host, self.metrics, status, &headers, body)
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

    pub(crate) fn unreadable(&self) -> Flow {
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

/// What comes to a verdict.
struct Judged<'j> {
    ruleset: &'j Ruleset,
    counters: &'j mut NodeCounters,
    pending: &'j mut Pending,
    scratch: &'j mut Scratch,
}

impl<'j> Judged<'j> {
    /// The verdict, and why the body that it may depend on cannot be read, if it cannot; `None` if the body has to come
    /// first.
    fn judge(
        self,
        request: &Request<'_>,
        body: Body,
        foreseen: impl FnOnce() -> Option<Unreadable>,
    ) -> Option<(Verdict<'j>, Option<Unreadable>)> {
        let Judged {
            ruleset,
            counters,
            pending,
            scratch,
        } = self;
        let mut unreadable = (body == Body::TooLong).then_some(Unreadable::TooLong);
        if body == Body::Coming && ruleset.needs().body() {
            let is_unreadable = || {
                unreadable = foreseen();
                unreadable.is_some()
            };
            return match ruleset.decide_head_counted(
                request,
                counters,
                pending,
                scratch,
                is_unreadable,
            ) {
                HeadDecision::Decided(verdict) => Some((verdict, unreadable)),
                HeadDecision::NeedsBody => None,
            };
        }
        let verdict = if counters.is_empty() {
            ruleset.decide(request, scratch)
        } else {
            ruleset.decide_counted(request, counters, pending, scratch)
        };
        if verdict.has_malformed_body() {
            unreadable = Some(Unreadable::Malformed);
        }
        Some((verdict, unreadable))
    }
}

/// Carries a verdict out, with buffers for what the host is told.
struct Outbound<'o> {
    decider: &'o Decider<'o>,
    name: &'o mut String,
    value: &'o mut String,
}

impl Outbound<'_> {
    /// Applies a verdict, unless the body that it may depend on cannot be read and such requests are refused.
    fn apply_unless(
        &mut self,
        unreadable: Option<Unreadable>,
        verdict: &Verdict<'_>,
        request: &Request<'_>,
        revision: u64,
    ) -> Flow {
        let Decider {
            host,
            metrics,
            config,
            ..
        } = self.decider;
        if let Some(unreadable) = unreadable {
            metrics.count(*host, Metric::BodiesUnreadable);
            if config.on_unreadable_body == OnUnreadableBody::Deny {
                return self.decider.refuse_body(unreadable);
            }
        }
        self.apply(verdict, request, revision)
    }

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
        if let Some(at_least) = verdict.band() {
            self.set_number("riskgate.band", at_least);
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
