//! A request as the host tells it, and as the engine takes it.

use crate::client_ip::parse_source_address;
use crate::config::Config;
use crate::custom::CustomValues;
use crate::headers::{self, Header, MalformedHeaders};
use crate::host::{Host, HostError};
use crate::serving::time_us;
use riskgate_engine::counters::Pending;
use riskgate_engine::headers::is_reserved;
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::Ruleset;
use std::net::IpAddr;

/// Where the payloads are that the JWT filter has verified.
const JWT_METADATA: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn";

/// The memory of a request, used again by the next one: in the steady state a request allocates nothing.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The header map.
    pub(crate) map: Vec<u8>,
    /// Empty between requests, as is what the host was told.
    pub(crate) headers: Vec<Header<'static>>,
    forged: Vec<&'static [u8]>,
    pub(crate) claims: Vec<Header<'static>>,
    pub(crate) attributes: Attributes,
    pub(crate) custom: CustomBuffers,
    /// What of the request waits for its response.
    pub(crate) pending: Pending,
    /// A name and a value that the host is told.
    pub(crate) name: String,
    pub(crate) value: String,
    /// The body, once it is whole.
    pub(crate) body: Vec<u8>,
    /// A property.
    pub(crate) value_bytes: Vec<u8>,
}

/// What a custom filter said.
#[derive(Default)]
pub(crate) struct CustomBuffers {
    pub(crate) values: CustomValues,
    pub(crate) pairs: Vec<Header<'static>>,
}

/// A header map in its parts. Headers that only this filter may set are kept apart: no rule sees a forged one.
#[derive(Debug, Default)]
pub(crate) struct Inbound<'m> {
    pub(crate) method: Option<&'m [u8]>,
    scheme: Option<&'m [u8]>,
    host: Option<&'m [u8]>,
    path: Option<&'m [u8]>,
    pub(crate) headers: Vec<Header<'m>>,
    pub(crate) forged: Vec<&'m [u8]>,
}

impl<'m> Inbound<'m> {
    /// Takes a header map apart. [`Inbound::release`] gives back what it takes from the buffers.
    pub(crate) fn read(
        map: &'m [u8],
        buffers: &mut Buffers,
    ) -> Result<Inbound<'m>, MalformedHeaders> {
        let mut inbound = Inbound {
            headers: emptied(std::mem::take(&mut buffers.headers)),
            forged: emptied(std::mem::take(&mut buffers.forged)),
            ..Inbound::default()
        };
        headers::for_each(map, |header| inbound.sort(header))?;
        Ok(inbound)
    }

    pub(crate) fn release(self, buffers: &mut Buffers) {
        buffers.headers = emptied(self.headers);
        buffers.forged = emptied(self.forged);
    }

    fn sort(&mut self, (name, value): Header<'m>) {
        match name {
            [b':', pseudo @ ..] => match pseudo {
                b"method" => self.method = Some(value),
                b"scheme" => self.scheme = Some(value),
                b"authority" => self.host = Some(value),
                b"path" => self.path = Some(value),
                _ => {}
            },
            [b'x' | b'X', ..] if is_reserved(name) => {
                // Proxies limit headers to about a hundred.
                if !self.forged.contains(&name) {
                    self.forged.push(name);
                }
            }
            _ => self.headers.push((name, value)),
        }
    }

    /// The request as the engine takes it.
    pub(crate) fn request<'r>(
        &'r self,
        attributes: &'r Attributes,
        [claims, custom]: [&'r [Header<'r>]; 2],
        body: Option<&'r [u8]>,
        now_ns: u64,
    ) -> Request<'r> {
        Request {
            method: self.method,
            scheme: self.scheme,
            host: self.host,
            path: self.path,
            protocol: attributes.protocol.get(),
            id: attributes.id.get(),
            headers: &self.headers,
            source_ip: attributes.source_ip,
            client_ip: attributes.client_ip,
            time_us: time_us(now_ns),
            mtls: attributes.mtls,
            peer_uri_san: attributes.peer_uri_san.get(),
            peer_subject: attributes.peer_subject.get(),
            server_name: attributes.server_name.get(),
            tls_version: attributes.tls_version.get(),
            claims,
            custom,
            body,
        }
    }
}

/// The same allocation, for references of another lifetime: `collect` keeps that of the `Vec` it consumes.
pub(crate) fn emptied<A, B: Default>(mut used: Vec<A>) -> Vec<B> {
    used.clear();
    used.into_iter().map(|_| B::default()).collect()
}

/// The host's properties that a ruleset reads; the others are not asked for.
#[derive(Default)]
pub(crate) struct Attributes {
    source_address: Property,
    source_ip: Option<IpAddr>,
    client_ip: Option<IpAddr>,
    protocol: Property,
    id: Property,
    mtls_byte: Property,
    mtls: Option<bool>,
    peer_uri_san: Property,
    peer_subject: Property,
    server_name: Property,
    tls_version: Property,
    /// By the claim's place among those that rules read.
    claims: Vec<Property>,
    /// How many properties the host failed to answer, or answered with what they cannot be; those are absent.
    pub(crate) failures: usize,
}

/// A property of this request, in the memory of those before.
#[derive(Default)]
struct Property {
    bytes: Vec<u8>,
    present: bool,
}

impl Property {
    fn get(&self) -> Option<&[u8]> {
        self.present.then_some(&self.bytes)
    }

    /// Asks for the property if it is needed, and says whether that went well.
    fn fetch(&mut self, host: &dyn Host, needed: bool, path: &str) -> Result<(), HostError> {
        self.present = false;
        if needed {
            self.present = host.property(path, &mut self.bytes)?;
        }
        Ok(())
    }
}

impl Attributes {
    /// Asks for what `ruleset` reads. `path` is a buffer.
    pub(crate) fn fetch(
        &mut self,
        host: &dyn Host,
        config: &Config,
        ruleset: &Ruleset,
        inbound: &Inbound<'_>,
        path: &mut String,
    ) {
        self.failures = 0;
        self.fetch_addresses(host, config, ruleset, inbound);
        self.fetch_connection(host, ruleset);
        if ruleset.needs().claims() {
            self.fetch_claims(host, config, ruleset, path);
        }
    }

    /// The peer's address is dear to ask for, and the client's is often in a header.
    fn fetch_addresses(
        &mut self,
        host: &dyn Host,
        config: &Config,
        ruleset: &Ruleset,
        inbound: &Inbound<'_>,
    ) {
        let needs = ruleset.needs();
        let forwarded = if needs.client_ip() {
            config.client_ip.forwarded(&inbound.headers)
        } else {
            None
        };
        let needed = needs.source_ip() || (needs.client_ip() && forwarded.is_none());
        let fetched = self.source_address.fetch(host, needed, "source\0address");
        self.note(fetched);
        self.source_ip = self.source_address.get().and_then(parse_source_address);
        self.client_ip = forwarded.or(self.source_ip);
    }

    fn fetch_connection(&mut self, host: &dyn Host, ruleset: &Ruleset) {
        let needs = ruleset.needs();
        let properties = [
            (&mut self.mtls_byte, needs.mtls(), "connection\0mtls"),
            (&mut self.protocol, needs.protocol(), "request\0protocol"),
            (&mut self.id, needs.id(), "request\0id"),
            (
                &mut self.peer_uri_san,
                needs.peer_uri_san(),
                "connection\0uri_san_peer_certificate",
            ),
            (
                &mut self.peer_subject,
                needs.peer_subject(),
                "connection\0subject_peer_certificate",
            ),
            (
                &mut self.server_name,
                needs.server_name(),
                "connection\0requested_server_name",
            ),
            (
                &mut self.tls_version,
                needs.tls_version(),
                "connection\0tls_version",
            ),
        ];
        for (property, needed, path) in properties {
            if property.fetch(host, needed, path).is_err() {
                self.failures += 1;
            }
        }
        let mtls = self.mtls_byte.get().map(parse_bool).transpose();
        self.mtls = mtls.unwrap_or_else(|_| {
            self.failures += 1;
            None
        });
    }

    fn fetch_claims(
        &mut self,
        host: &dyn Host,
        config: &Config,
        ruleset: &Ruleset,
        path: &mut String,
    ) {
        for (index, claim) in ruleset.claims().enumerate() {
            if index == self.claims.len() {
                self.claims.push(Property::default());
            }
            let Some(property) = self.claims.get_mut(index) else {
                continue;
            };
            path.clear();
            for part in [JWT_METADATA, "\0", &config.jwt_payload_key, "\0", claim] {
                path.push_str(part);
            }
            let fetched = property.fetch(host, true, path);
            property.present &= is_text(&property.bytes);
            self.note(fetched);
        }
    }

    fn note(&mut self, fetched: Result<(), HostError>) {
        if fetched.is_err() {
            self.failures += 1;
        }
    }

    /// Name and text of the claims that are there, in the memory of `buffer`.
    pub(crate) fn claims<'a>(
        &'a self,
        ruleset: &'a Ruleset,
        buffer: &mut Vec<Header<'static>>,
    ) -> Vec<Header<'a>> {
        let mut claims = emptied(std::mem::take(buffer));
        if ruleset.needs().claims() {
            let named = ruleset.claims().zip(&self.claims);
            claims.extend(named.filter_map(|(name, value)| Some((name.as_bytes(), value.get()?))));
        }
        claims
    }
}

/// A boolean as Envoy hands it over, in one byte.
fn parse_bool(value: &[u8]) -> Result<bool, HostError> {
    match value {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(HostError::Buffer),
    }
}

/// A claim that is no string arrives as raw bytes of it. Most of those are no text; a fractional number may be by chance.
fn is_text(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte >= b' ') && str::from_utf8(value).is_ok()
}
