//! A request as the host tells it, and as the engine takes it.

use crate::client_ip::parse_source_address;
use crate::config::Config;
use crate::headers::Header;
use crate::host::{Host, HostError};
use riskgate_engine::request::{Needs, Request};
use riskgate_engine::ruleset::Ruleset;

const JWT_METADATA: [&str; 3] = [
    "metadata",
    "filter_metadata",
    "envoy.filters.http.jwt_authn",
];

/// The request header that tells the upstream the score.
pub const SCORE_HEADER: &str = "x-risk-score";
/// Before the name of a tag, the request header that tells the upstream its value.
pub const TAG_HEADER_PREFIX: &str = "x-risk-tag-";

/// A header map in its parts. Headers that only this filter may set are kept apart: no rule sees a forged one.
#[derive(Debug, Default)]
pub(crate) struct Inbound<'m> {
    method: Option<&'m [u8]>,
    scheme: Option<&'m [u8]>,
    host: Option<&'m [u8]>,
    path: Option<&'m [u8]>,
    headers: Vec<Header<'m>>,
    pub(crate) forged: Vec<&'m [u8]>,
}

impl<'m> Inbound<'m> {
    pub(crate) fn sort(map: Vec<Header<'m>>) -> Inbound<'m> {
        let mut inbound = Inbound {
            headers: Vec::with_capacity(map.len()),
            ..Inbound::default()
        };
        for (name, value) in map {
            match name {
                b":method" => inbound.method = Some(value),
                b":scheme" => inbound.scheme = Some(value),
                b":authority" => inbound.host = Some(value),
                b":path" => inbound.path = Some(value),
                _ if name.starts_with(b":") => {}
                _ if is_ours(name) => inbound.forged.push(name),
                _ => inbound.headers.push((name, value)),
            }
        }
        inbound.forged.sort_unstable();
        inbound.forged.dedup();
        inbound
    }

    /// The request as the engine takes it.
    pub(crate) fn request<'r>(
        &'r self,
        attributes: &'r Attributes,
        claims: &'r [Header<'r>],
        config: &Config,
        now_ns: u64,
    ) -> Request<'r> {
        let source_ip = attributes
            .source_address
            .as_deref()
            .and_then(parse_source_address);
        Request {
            method: self.method,
            scheme: self.scheme,
            host: self.host,
            path: self.path,
            protocol: attributes.protocol.as_deref(),
            id: attributes.id.as_deref(),
            headers: &self.headers,
            source_ip,
            client_ip: config.client_ip.of(source_ip, &self.headers),
            time_us: i64::try_from(now_ns / 1_000).unwrap_or(i64::MAX),
            mtls: attributes.mtls,
            peer_uri_san: attributes.peer_uri_san.as_deref(),
            peer_subject: attributes.peer_subject.as_deref(),
            server_name: attributes.server_name.as_deref(),
            tls_version: attributes.tls_version.as_deref(),
            claims,
        }
    }
}

/// Whether only this filter may set a header, whatever its case, and with `_` for `-`: behind CGI and WSGI
/// `x_risk_score` and `x-risk-score` are one variable.
fn is_ours(name: &[u8]) -> bool {
    let starts_as = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| is_alike(start, prefix.as_bytes()))
    };
    is_alike(name, SCORE_HEADER.as_bytes()) || starts_as(TAG_HEADER_PREFIX)
}

fn is_alike(name: &[u8], ours: &[u8]) -> bool {
    let folded = name.iter().map(|byte| match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    });
    folded.eq(ours.iter().copied())
}

/// The host's properties that a ruleset reads; the others are not asked for.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    source_address: Option<Vec<u8>>,
    protocol: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    mtls: Option<bool>,
    peer_uri_san: Option<Vec<u8>>,
    peer_subject: Option<Vec<u8>>,
    server_name: Option<Vec<u8>>,
    tls_version: Option<Vec<u8>>,
    claims: Vec<(String, Vec<u8>)>,
    /// How many properties the host failed to answer, or answered with what they cannot be; those are absent.
    pub(crate) failures: usize,
}

impl Attributes {
    pub(crate) fn fetch(host: &dyn Host, config: &Config, ruleset: &Ruleset) -> Attributes {
        let needs: Needs = ruleset.needs();
        let mut failures = 0;
        let mut fetch = |needed: bool, path: &[&str]| {
            if needed {
                or_count(host.property(path), &mut failures)
            } else {
                None
            }
        };
        let mtls = fetch(needs.mtls(), &["connection", "mtls"]);
        let mut attributes = Attributes {
            source_address: fetch(
                needs.source_ip() || needs.client_ip(),
                &["source", "address"],
            ),
            protocol: fetch(needs.protocol(), &["request", "protocol"]),
            id: fetch(needs.id(), &["request", "id"]),
            peer_uri_san: fetch(
                needs.peer_uri_san(),
                &["connection", "uri_san_peer_certificate"],
            ),
            peer_subject: fetch(
                needs.peer_subject(),
                &["connection", "subject_peer_certificate"],
            ),
            server_name: fetch(
                needs.server_name(),
                &["connection", "requested_server_name"],
            ),
            tls_version: fetch(needs.tls_version(), &["connection", "tls_version"]),
            ..Attributes::default()
        };
        if needs.claims() {
            let [metadata, filters, jwt] = JWT_METADATA;
            for claim in ruleset.claims() {
                let value = fetch(
                    true,
                    &[metadata, filters, jwt, &config.jwt_payload_key, claim],
                );
                attributes.claims.extend(
                    value
                        .filter(|value| is_text(value))
                        .map(|value| (claim.to_owned(), value)),
                );
            }
        }
        attributes.mtls = mtls.and_then(|value| or_count(parse_bool(&value), &mut failures));
        attributes.failures = failures;
        attributes
    }

    pub(crate) fn claims(&self) -> Vec<Header<'_>> {
        self.claims
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]))
            .collect()
    }
}

fn or_count<T>(answer: Result<Option<T>, HostError>, failures: &mut usize) -> Option<T> {
    answer.unwrap_or_else(|_| {
        *failures += 1;
        None
    })
}

/// A boolean as Envoy hands it over, in one byte.
fn parse_bool(value: &[u8]) -> Result<Option<bool>, HostError> {
    match value {
        [0] => Ok(Some(false)),
        [1] => Ok(Some(true)),
        _ => Err(HostError::Buffer),
    }
}

/// A claim that is no string arrives as raw bytes of it. Most of those are no text; a fractional number may be by chance.
fn is_text(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte >= b' ') && str::from_utf8(value).is_ok()
}
