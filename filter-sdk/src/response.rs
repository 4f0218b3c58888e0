//! What a request was answered with, as counters ask for it.

use crate::config::Config;
use crate::counters::Surroundings;
use crate::headers::{self, Header};
use crate::host::{Host, Level};
use crate::load::expiry_line;
use crate::metrics::{Metric, Metrics};
use crate::request::{Buffers, emptied};
use crate::serving::{Serving, Standing, time_us};
use riskgate_engine::counters::Pending;
use riskgate_engine::response::Response;
use riskgate_engine::ruleset::Ruleset;

/// The request whose last callback runs.
pub(crate) struct Ended<'e> {
    pub(crate) host: &'e dyn Host,
    pub(crate) config: &'e Config,
    pub(crate) metrics: &'e Metrics,
}

/// Counts what had to wait for the response.
pub(crate) fn count(
    ended: &Ended<'_>,
    pending: &Pending,
    serving: &mut Serving,
    buffers: &mut Buffers,
) {
    let wall_ns = ended.host.now_ns().ok();
    let Some(standing) = serving.standing(ended.config.min_revision, wall_ns) else {
        return;
    };
    if standing.expired_just_now {
        let line = expiry_line(&ended.config.ruleset, standing.ruleset.revision());
        ended.host.log(Level::Error, &line);
    }
    let Standing {
        ruleset,
        scratch,
        counters,
        now_ns,
        ..
    } = standing;
    let mut map = std::mem::take(&mut buffers.map);
    let mut parts = emptied(std::mem::take(&mut buffers.headers));
    ended.read_headers(ruleset, &mut map, &mut parts);
    let response = Response {
        code: ended.code(&mut buffers.value_bytes),
        headers: &parts,
    };
    let time_us = time_us(now_ns);
    ruleset.count_response(pending, &response, time_us, counters, scratch);
    buffers.headers = emptied(parts);
    buffers.map = map;
    counters.exchange_urgent(&Surroundings {
        host: ended.host,
        metrics: ended.metrics,
        config: ended.config,
        time_us,
    });
}

impl Ended<'_> {
    /// The status, also of an answer that this filter or the proxy gave. A request that ended without one has 0.
    fn code(&self, value: &mut Vec<u8>) -> Option<u16> {
        match self.host.property("response\0code", value) {
            Ok(true) => {
                let number = value.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
                number
                    .and_then(|number| u16::try_from(number).ok())
                    .filter(|code| *code != 0)
            }
            Ok(false) => None,
            Err(_) => {
                self.metrics.count(self.host, Metric::RequestErrors);
                None
            }
        }
    }

    /// Names are in lower case: Envoy makes them so.
    fn read_headers<'m>(
        &self,
        ruleset: &Ruleset,
        map: &'m mut Vec<u8>,
        parts: &mut Vec<Header<'m>>,
    ) {
        if ruleset.response_headers().next().is_none() {
            return;
        }
        let told = self.host.response_headers(map).is_ok();
        let is_read = told && headers::for_each(map, |header| parts.push(header)).is_ok();
        parts.retain(|(name, _)| !name.starts_with(b":"));
        if !is_read {
            parts.clear();
            self.metrics.count(self.host, Metric::RequestErrors);
        }
    }
}
