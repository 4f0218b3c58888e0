//! What the proxy around a module says of a request, and what it was told of the verdict.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use riskgate_engine::attributes::{Base, NO_KEY};
use riskgate_engine::headers::TAG_HEADER_PREFIX;
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;
use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use riskgate_wasm_host::HttpStream;
use serde_json::{Map, Value, json};

use super::super::model::Key;
use super::super::run::Known;

const FORWARDED_FOR: &[u8] = b"x-forwarded-for";
const CLAIMS: &[u8] = b"metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0jwt_payload\0";

/// Name and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// What of a request decides how it is told.
pub(super) struct Reads {
    source_ip: bool,
    client_ip: bool,
    forwarded_for: bool,
    custom: bool,
}

/// A request as a proxy has it.
pub(super) struct Sent {
    /// In the order of a proxy: pseudo headers first.
    pub(super) headers: Vec<Pair>,
    /// By path, its parts joined with zero bytes.
    pub(super) properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Reads {
    pub(super) fn of(ruleset: &LoadedRuleset) -> Reads {
        let needs = ruleset.needs();
        let mut attributes = (0..).map_while(|id| ruleset.attribute(id));
        Reads {
            source_ip: needs.source_ip(),
            client_ip: needs.client_ip(),
            forwarded_for: attributes.any(|attribute| {
                attribute.base == Base::Header
                    && attribute.key != NO_KEY
                    && ruleset.string(attribute.key) == FORWARDED_FOR
            }),
            custom: needs.custom(),
        }
    }

    /// Whether the client's address must be told beside the peer's: as a proxy before this one does, in a header.
    pub(super) fn both_addresses(&self) -> bool {
        self.source_ip && self.client_ip
    }
}

/// How a proxy tells this request, whose client sent these headers.
///
/// # Errors
///
/// Says what of the request no proxy can be made to say.
pub(super) fn sent<'a>(
    request: &Request<'_>,
    sent_headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    reads: &Reads,
) -> Result<Sent, String> {
    if reads.custom && !request.custom.is_empty() {
        return Err(
            "a module finds `attributes` itself; run the other tests with `--only`".to_owned(),
        );
    }
    let mut headers = headers(request, sent_headers);
    let mut peer = request.source_ip;
    if reads.both_addresses() {
        add_client(&mut headers, request, reads)?;
    } else if reads.client_ip {
        peer = request.client_ip;
    }
    Ok(Sent {
        headers,
        properties: properties(request, peer),
    })
}

fn headers<'a>(
    request: &Request<'_>,
    sent: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Vec<Pair> {
    let pseudo: [(&[u8], Option<&[u8]>); 4] = [
        (b":method", request.method),
        (b":scheme", request.scheme),
        (b":authority", request.host),
        (b":path", request.path),
    ];
    let pseudo = pseudo
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
    pseudo.map(owned).chain(sent.map(owned)).collect()
}

/// Lets the last address of `x-forwarded-for`, or the peer's where there is none, be the client's.
fn add_client(headers: &mut Vec<Pair>, request: &Request<'_>, reads: &Reads) -> Result<(), String> {
    let found = forwarded(request).or(request.source_ip);
    let Some(client) = request.client_ip.filter(|client| Some(*client) != found) else {
        return Ok(());
    };
    if reads.forwarded_for {
        return Err(
            "a module takes `client_ip` from `x-forwarded-for`, which a rule reads too; let the header end with that address"
                .to_owned(),
        );
    }
    headers.push((FORWARDED_FOR.to_vec(), client.to_string().into_bytes()));
    Ok(())
}

/// The address that the filter finds in the header, if it finds any.
fn forwarded(request: &Request<'_>) -> Option<IpAddr> {
    let mut values = request.headers.iter().rev();
    let (_, value) = values.find(|(name, _)| *name == FORWARDED_FOR)?;
    let last = value.rsplit(|byte| *byte == b',').next()?;
    let address: IpAddr = str::from_utf8(last.trim_ascii()).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

fn properties(request: &Request<'_>, peer: Option<IpAddr>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let address = peer.map(|peer| SocketAddr::new(peer, 40_000).to_string());
    let mtls = request.mtls.map(|mtls| [u8::from(mtls)]);
    let plain: [(&[u8], Option<&[u8]>); 8] = [
        (b"source\0address", address.as_deref().map(str::as_bytes)),
        (b"connection\0mtls", mtls.as_ref().map(|mtls| &mtls[..])),
        (b"request\0protocol", request.protocol),
        (b"request\0id", request.id),
        (
            b"connection\0uri_san_peer_certificate",
            request.peer_uri_san,
        ),
        (
            b"connection\0subject_peer_certificate",
            request.peer_subject,
        ),
        (b"connection\0requested_server_name", request.server_name),
        (b"connection\0tls_version", request.tls_version),
    ];
    let plain = plain
        .into_iter()
        .filter_map(|(path, value)| Some((path.to_vec(), value?.to_vec())));
    let claims = request.claims.iter();
    let claims = claims.map(|(name, value)| ([CLAIMS, name].concat(), value.to_vec()));
    plain.chain(claims).collect()
}

/// The response to the request.
pub(super) fn tell_response(stream: &mut HttpStream, response: &Response<'_>) {
    if let Some(code) = response.code {
        let code = u64::from(code).to_le_bytes().to_vec();
        stream.properties.insert(b"response\0code".to_vec(), code);
    }
    let headers = response.headers.iter();
    stream.response.headers = headers
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect();
}

/// What the filter told the proxy; nothing if the ruleset did not decide.
pub(super) fn known(stream: &HttpStream) -> Option<Known> {
    let state = |name: &str| {
        let value = stream.set_properties.get(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let number = |name: &str| state(name).and_then(|number| number.parse::<i64>().ok());
    let ids = |name: &str| -> Value {
        let ids = state(name).unwrap_or_default();
        ids.split(',').filter(|id| !id.is_empty()).collect()
    };
    // The filter names the revision that decided, and only then.
    number("riskgate.revision")?;
    let action = state("riskgate.action")?;
    let reply = stream.local_response.as_ref();
    let mut known = vec![
        (Key::Status, json!(reply.map(|reply| reply.status))),
        (Key::Rule, json!(state("riskgate.rule"))),
        (Key::Band, json!(number("riskgate.band"))),
        (Key::Score, json!(number("riskgate.score").unwrap_or(0))),
        (Key::Matched, ids("riskgate.matched")),
        (Key::Shadowed, ids("riskgate.shadowed")),
        (
            Key::Would,
            json!(state("riskgate.would").unwrap_or_else(|| action.clone())),
        ),
        (Key::Action, json!(action)),
    ];
    if reply.is_none() {
        known.push((Key::Tags, tags(stream)));
    }
    known.sort_by_key(|(key, _)| *key);
    Some(known)
}

/// The tags that the upstream is told.
fn tags(stream: &HttpStream) -> Value {
    let tags = stream.request.headers.iter().filter_map(|(name, value)| {
        let name = str::from_utf8(name).ok()?;
        let tag = name.strip_prefix(TAG_HEADER_PREFIX)?.to_owned();
        Some((tag, json!(String::from_utf8_lossy(value))))
    });
    Value::Object(tags.collect::<Map<_, _>>())
}
