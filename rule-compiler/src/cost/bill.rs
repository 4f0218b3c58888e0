//! Adds up what a request pays.
//!
//! A request has only so many bytes, and each of them is in one header: so however many headers rules read, the worst
//! request puts all of its bytes where a byte is dearest.

use std::collections::BTreeMap;

use riskgate_engine::counters::MAX_COMBINATIONS;

use super::limits::{
    BODY_LEN, HEAD_LEN, HEADER_COUNT, IDENTITY_LEN, TYPICAL_FIELD_COUNT, TYPICAL_HEADER_COUNT,
    TYPICAL_VALUE_LEN, VERSION_LEN,
};
use super::steps::Steps;
use crate::ir::Base;

/// The shortest query argument or cookie, with what parts it from the next.
const FIELD_LEN: u64 = 2;

/// To split a query or a cookie header, to decode its parts and to look up the names, for each byte.
const SPLIT_STEPS: u64 = 5;
/// To walk over JSON and to unescape what is asked for, for each byte.
const JSON_STEPS: u64 = 4;
/// The shortest value of JSON, with what parts it from the next.
const JSON_VALUE_LEN: u64 = 2;
/// To look up the name of a header or claim.
const NAME_STEPS: u64 = 4;

/// What is paid for, by where it comes from.
#[derive(Debug, Default)]
pub(super) struct Bill {
    once: u64,
    by_base: BTreeMap<Base, Steps>,
}

impl Bill {
    pub(super) fn add(&mut self, base: &Base, steps: Steps) {
        match self.by_base.get_mut(base) {
            Some(sum) => *sum = sum.plus(steps),
            None => {
                self.by_base.insert(base.clone(), steps);
            }
        }
    }

    pub(super) fn add_once(&mut self, steps: u64) {
        self.once = self.once.saturating_add(steps);
    }

    /// At most, for any request.
    pub(super) fn worst(&self) -> u64 {
        let parts = Parts::new(&self.by_base);
        let headers: Vec<Steps> = parts.headers.values().copied().collect();
        let head = [
            Share::of_fields(Share::of_one(parts.path), &parts.params),
            Share::of_fields(Share::of_headers(&[parts.cookie]), &parts.cookies),
            Share::of_headers(&headers),
        ];
        let certificate = parts.certificate.iter().map(|steps| Share::of_one(*steps));
        let claims = Share::of_fields(Share::default(), &parts.claims);
        let identity: Vec<Share> = certificate.chain([claims]).collect();
        let names = match parts.has_named_headers {
            true => HEADER_COUNT * NAME_STEPS + HEAD_LEN,
            false => 0,
        };
        let json = Share::of_json(&parts.json, parts.branches);
        let form = Share::of_fields(Share::default(), &parts.form);
        [
            self.once,
            dearest_bytes(&head, HEAD_LEN),
            // One body is read in both ways.
            dearest_bytes(&[json], BODY_LEN),
            dearest_bytes(&[form], BODY_LEN),
            dearest_bytes(&identity, IDENTITY_LEN),
            total(parts.versions, VERSION_LEN),
            total(parts.others, 0),
            names,
            parts
                .counters
                .per_value
                .saturating_mul(MAX_COMBINATIONS as u64),
            parts.counters.once,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// For a request of the usual size.
    pub(super) fn typical(&self) -> u64 {
        let parts = Parts::new(&self.by_base);
        let headers: Vec<Steps> = parts.headers.values().copied().collect();
        let fields =
            [&parts.params, &parts.cookies, &parts.claims].map(|fields| match fields.as_slice() {
                [] => 0,
                fields => dearest(fields, TYPICAL_FIELD_COUNT)
                    .saturating_add(TYPICAL_VALUE_LEN * SPLIT_STEPS),
            });
        let ones = [parts.path, parts.cookie]
            .into_iter()
            .chain(parts.certificate);
        let ones = ones.map(|steps| total(steps, TYPICAL_VALUE_LEN));
        let names = match parts.has_named_headers {
            true => TYPICAL_HEADER_COUNT * NAME_STEPS,
            false => 0,
        };
        [
            self.once,
            dearest(&headers, TYPICAL_HEADER_COUNT),
            total(parts.versions, VERSION_LEN),
            total(parts.others, 0),
            total(parts.counters, 0),
            names,
        ]
        .into_iter()
        .chain(fields)
        .chain(ones)
        .fold(0, u64::saturating_add)
    }
}

/// What values of the same bytes cost: once, and for each byte.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    once: u64,
    per_byte: u64,
}

impl Share {
    /// A value.
    fn of_one(steps: Steps) -> Share {
        Share {
            once: steps.once.saturating_add(steps.per_value),
            per_byte: steps.per_byte,
        }
    }

    /// Headers share the most headers that a request has.
    fn of_headers(headers: &[Steps]) -> Share {
        let most = |cost: fn(&Steps) -> u64| headers.iter().map(cost).max().unwrap_or_default();
        let values = HEADER_COUNT.saturating_mul(most(|steps| steps.per_value));
        Share {
            once: sum_of_dearest(headers.iter().map(|steps| steps.once), HEADER_COUNT)
                .saturating_add(values),
            per_byte: most(|steps| steps.per_byte),
        }
    }

    /// A JSON text, whose values may each be what several pointers name.
    fn of_json(pointers: &[Steps], branches: u64) -> Share {
        if pointers.is_empty() {
            return Share::default();
        }
        let most = |cost: fn(&Steps) -> u64| pointers.iter().map(cost).max().unwrap_or_default();
        let per_value = most(|steps| steps.per_value).saturating_add(JSON_STEPS);
        let onces = pointers.iter().map(|steps| steps.once);
        Share {
            once: onces.fold(0, u64::saturating_add),
            per_byte: most(|steps| steps.per_byte)
                .saturating_add(per_value.div_ceil(JSON_VALUE_LEN))
                .saturating_mul(branches)
                .saturating_add(JSON_STEPS),
        }
    }

    /// A text, and fields that it is split into: none of its bytes is in two of them.
    fn of_fields(whole: Share, fields: &[Steps]) -> Share {
        if fields.is_empty() {
            return whole;
        }
        let most = |cost: fn(&Steps) -> u64| fields.iter().map(cost).max().unwrap_or_default();
        let per_value = most(|steps| steps.per_value).div_ceil(FIELD_LEN);
        let onces = fields.iter().map(|steps| steps.once);
        Share {
            once: sum_of_dearest(onces, HEAD_LEN / FIELD_LEN).saturating_add(whole.once),
            per_byte: most(|steps| steps.per_byte)
                .saturating_add(per_value)
                .saturating_add(whole.per_byte)
                .saturating_add(SPLIT_STEPS),
        }
    }
}

/// How many places of a text pointers can follow at the same time: each `*` beside an index doubles them, and no more than
/// there are pointers.
fn branches(pointers: &[&str]) -> u64 {
    let with_any = pointers
        .iter()
        .filter(|pointer| pointer.split('/').any(|token| token == "*"));
    1 + with_any.count() as u64
}

/// All bytes are where they cost most.
fn dearest_bytes(shares: &[Share], length: u64) -> u64 {
    let per_byte = shares.iter().map(|share| share.per_byte).max();
    let bytes = length.saturating_mul(per_byte.unwrap_or_default());
    shares
        .iter()
        .map(|share| share.once)
        .fold(bytes, u64::saturating_add)
}

/// One value of so many bytes.
fn total(steps: Steps, length: u64) -> u64 {
    let bytes = steps.per_byte.saturating_mul(length);
    steps
        .once
        .saturating_add(steps.per_value)
        .saturating_add(bytes)
}

/// A typical request has one value for each of the dearest names.
fn dearest(named: &[Steps], count: u64) -> u64 {
    sum_of_dearest(
        named.iter().map(|steps| total(*steps, TYPICAL_VALUE_LEN)),
        count,
    )
}

fn sum_of_dearest(costs: impl Iterator<Item = u64>, count: u64) -> u64 {
    let mut costs: Vec<u64> = costs.collect();
    costs.sort_unstable_by(|a, b| b.cmp(a));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    costs.into_iter().take(count).fold(0, u64::saturating_add)
}

/// What comes from the same bytes.
#[derive(Debug, Default)]
struct Parts {
    /// The path, and parts of it.
    path: Steps,
    params: Vec<Steps>,
    /// The header `cookie`.
    cookie: Steps,
    cookies: Vec<Steps>,
    /// Each header with whatever else stands in it.
    headers: BTreeMap<String, Steps>,
    has_named_headers: bool,
    claims: Vec<Steps>,
    json: Vec<Steps>,
    /// How many pointers can name one value of the JSON.
    branches: u64,
    form: Vec<Steps>,
    certificate: Vec<Steps>,
    versions: Steps,
    /// Of no bytes.
    others: Steps,
    /// For each key of a counter.
    counters: Steps,
}

impl Parts {
    fn new<'b>(by_base: &'b BTreeMap<Base, Steps>) -> Parts {
        let mut parts = Parts::default();
        for (base, &steps) in by_base {
            match base {
                Base::Path | Base::UrlPath | Base::Query => parts.path = parts.path.plus(steps),
                Base::Param(_) => parts.params.push(steps),
                Base::Cookie(_) => parts.cookies.push(steps),
                Base::Header(name) if name == "cookie" => parts.cookie = parts.cookie.plus(steps),
                Base::Header(name) => parts.add_header(name, steps),
                Base::Host | Base::Hostname => parts.add_header(":authority", steps),
                Base::Method => parts.add_header(":method", steps),
                Base::Scheme => parts.add_header(":scheme", steps),
                Base::Id => parts.add_header("x-request-id", steps),
                Base::Claim(_) | Base::Custom { .. } => parts.claims.push(steps),
                Base::BodyJson(_) => parts.json.push(steps),
                Base::BodyForm(_) => parts.form.push(steps),
                Base::PeerUriSan | Base::PeerSubject | Base::ServerName => {
                    parts.certificate.push(steps);
                }
                Base::Protocol | Base::TlsVersion => parts.versions = parts.versions.plus(steps),
                Base::Counter(_) => parts.counters = parts.counters.plus(steps),
                Base::Time
                | Base::SourceIp
                | Base::ClientIp
                | Base::Mtls
                // Of a response, which is not there when a request is decided.
                | Base::ResponseCode
                | Base::ResponseHeader(_) => {
                    parts.others = parts.others.plus(steps);
                }
            }
        }
        let pointer = |base: &'b Base| match base {
            Base::BodyJson(pointer) => Some(pointer.as_str()),
            _ => None,
        };
        let pointers: Vec<&str> = by_base.keys().filter_map(pointer).collect();
        parts.branches = branches(&pointers);
        let is_header = |base: &Base| matches!(base, Base::Header(_));
        parts.has_named_headers = by_base.keys().any(is_header);
        parts
    }

    fn add_header(&mut self, name: &str, steps: Steps) {
        let sum = self.headers.entry(name.to_owned()).or_default();
        *sum = sum.plus(steps);
    }
}

#[cfg(test)]
mod tests {
    use super::{Bill, HEAD_LEN, HEADER_COUNT, NAME_STEPS, SPLIT_STEPS};
    use crate::cost::steps::Steps;
    use crate::ir::Base;

    fn bill(entries: &[(Base, Steps)]) -> Bill {
        let mut bill = Bill::default();
        for (base, steps) in entries {
            bill.add(base, *steps);
        }
        bill
    }

    fn per_byte(per_byte: u64) -> Steps {
        Steps {
            per_byte,
            ..Steps::default()
        }
    }

    fn param(number: u64) -> Base {
        Base::Param(number.to_string().into_bytes())
    }

    fn header(number: u64) -> Base {
        Base::Header(number.to_string())
    }

    #[test]
    fn a_byte_is_paid_for_where_it_is_dearest() {
        let host_and_path = bill(&[(Base::Host, per_byte(3)), (Base::Path, per_byte(2))]);
        assert_eq!(host_and_path.worst(), 3 * HEAD_LEN);
        let path_twice = bill(&[(Base::Path, per_byte(3)), (Base::Query, per_byte(2))]);
        assert_eq!(path_twice.worst(), 5 * HEAD_LEN);
        let params = bill(&[(param(1), per_byte(3)), (param(2), per_byte(2))]);
        assert_eq!(params.worst(), (3 + SPLIT_STEPS) * HEAD_LEN);
        let claims = bill(&[(Base::ServerName, per_byte(3)), (Base::Path, per_byte(2))]);
        assert_eq!(claims.worst(), 5 * HEAD_LEN);
        assert_eq!(bill(&[(Base::Time, per_byte(9))]).worst(), 0);
    }

    #[test]
    fn a_request_has_so_many_headers_and_arguments() {
        let names = HEADER_COUNT * NAME_STEPS + HEAD_LEN;
        let headers: Vec<_> = (0..3 * HEADER_COUNT)
            .map(|number| (header(number), Steps::once(number % 2)))
            .collect();
        assert_eq!(bill(&headers).worst(), HEADER_COUNT + names);
        let values = bill(&[(header(1), Steps::per_value(7))]);
        assert_eq!(values.worst(), 7 * HEADER_COUNT + names);
        let arguments = bill(&[(param(1), Steps::per_value(7))]);
        assert_eq!(arguments.worst(), (4 + SPLIT_STEPS) * HEAD_LEN);
    }

    #[test]
    fn sums_do_not_wrap() {
        let all = [
            Base::Path,
            header(1),
            param(1),
            Base::Time,
            Base::TlsVersion,
        ];
        let most = Steps {
            once: u64::MAX,
            per_value: u64::MAX,
            per_byte: u64::MAX,
        };
        let bill = bill(&all.map(|base| (base, most)));
        assert_eq!((bill.worst(), bill.typical()), (u64::MAX, u64::MAX));
    }
}
