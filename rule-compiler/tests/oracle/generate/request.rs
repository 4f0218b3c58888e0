//! Random requests.

use std::fmt;
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use riskgate_engine::request::Request;

use super::body::body;
use super::mutation::{percent, wire_value};
use super::words::{noise, number_text, plain_value};

/// Bytes that print as text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0.escape_ascii())
    }
}

/// A request that owns its facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestCase {
    pub(crate) method: Option<Bytes>,
    pub(crate) scheme: Option<Bytes>,
    pub(crate) host: Option<Bytes>,
    pub(crate) path: Option<Bytes>,
    pub(crate) protocol: Option<Bytes>,
    pub(crate) id: Option<Bytes>,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) time_us: i64,
    pub(crate) mtls: Option<bool>,
    pub(crate) peer_uri_san: Option<Bytes>,
    pub(crate) peer_subject: Option<Bytes>,
    pub(crate) server_name: Option<Bytes>,
    pub(crate) tls_version: Option<Bytes>,
    pub(crate) claims: Vec<(Bytes, Bytes)>,
    pub(crate) custom: Vec<(Bytes, Bytes)>,
    pub(crate) body: Option<Bytes>,
}

impl RequestCase {
    /// Calls back with the borrowed form.
    pub(crate) fn with<R>(&self, use_request: impl FnOnce(&Request<'_>) -> R) -> R {
        let (headers, claims) = (pairs(&self.headers), pairs(&self.claims));
        let custom = pairs(&self.custom);
        use_request(&Request {
            method: bytes(&self.method),
            scheme: bytes(&self.scheme),
            host: bytes(&self.host),
            path: bytes(&self.path),
            protocol: bytes(&self.protocol),
            id: bytes(&self.id),
            headers: &headers,
            source_ip: self.source_ip,
            client_ip: self.client_ip,
            time_us: self.time_us,
            mtls: self.mtls,
            peer_uri_san: bytes(&self.peer_uri_san),
            peer_subject: bytes(&self.peer_subject),
            server_name: bytes(&self.server_name),
            tls_version: bytes(&self.tls_version),
            claims: &claims,
            custom: &custom,
            body: bytes(&self.body),
        })
    }
}

impl From<&Request<'_>> for RequestCase {
    fn from(request: &Request<'_>) -> Self {
        let owned = |value: Option<&[u8]>| value.map(|value| Bytes(value.to_vec()));
        let pairs = |pairs: &[(&[u8], &[u8])]| {
            pairs
                .iter()
                .map(|(name, value)| (Bytes(name.to_vec()), Bytes(value.to_vec())))
                .collect()
        };
        Self {
            method: owned(request.method),
            scheme: owned(request.scheme),
            host: owned(request.host),
            path: owned(request.path),
            protocol: owned(request.protocol),
            id: owned(request.id),
            headers: pairs(request.headers),
            source_ip: request.source_ip,
            client_ip: request.client_ip,
            time_us: request.time_us,
            mtls: request.mtls,
            peer_uri_san: owned(request.peer_uri_san),
            peer_subject: owned(request.peer_subject),
            server_name: owned(request.server_name),
            tls_version: owned(request.tls_version),
            claims: pairs(request.claims),
            custom: pairs(request.custom),
            body: owned(request.body),
        }
    }
}

fn bytes(value: &Option<Bytes>) -> Option<&[u8]> {
    value.as_ref().map(|bytes| bytes.0.as_slice())
}

pub(super) fn pairs(pairs: &[(Bytes, Bytes)]) -> Vec<(&[u8], &[u8])> {
    pairs
        .iter()
        .map(|(name, value)| (name.0.as_slice(), value.0.as_slice()))
        .collect()
}

/// A random request.
pub(super) fn request() -> impl Strategy<Value = RequestCase> {
    let line = (
        maybe(method()),
        maybe(small_word()),
        maybe(host()),
        maybe(path()),
        maybe(small_word()),
    );
    let connection = (
        any::<Option<bool>>(),
        maybe(value()),
        maybe(value()),
        maybe(host()),
        maybe(small_word()),
        maybe(value()),
    );
    let pairs = (
        vec(header(), 0..8),
        (vec(claim(), 0..3), vec(custom(), 0..3)),
        weighted(0.6, body()),
    );
    let rest = (
        weighted(0.9, address()),
        weighted(0.9, address()),
        time_us(),
    );
    (line, connection, pairs, rest).prop_map(
        |(line, connection, (headers, (claims, custom), body), rest)| {
            let (method, scheme, host, path, protocol) = line;
            let (mtls, peer_uri_san, peer_subject, server_name, tls_version, id) = connection;
            let (source_ip, client_ip, time_us) = rest;
            RequestCase {
                method,
                scheme,
                host,
                path,
                protocol,
                id,
                headers,
                source_ip,
                client_ip,
                time_us,
                mtls,
                peer_uri_san,
                peer_subject,
                server_name,
                tls_version,
                claims,
                custom,
                body,
            }
        },
    )
}

fn maybe(value: impl Strategy<Value = Bytes>) -> impl Strategy<Value = Option<Bytes>> {
    weighted(0.9, value)
}

fn value() -> impl Strategy<Value = Bytes> + Clone {
    wire_value().prop_map(Bytes)
}

fn method() -> impl Strategy<Value = Bytes> {
    select(&["GET", "POST", "get", ""][..]).prop_map(|method| Bytes(method.as_bytes().to_vec()))
}

fn small_word() -> impl Strategy<Value = Bytes> {
    select(&["a", "abc", "ABC", "5", ""][..]).prop_map(|word| Bytes(word.as_bytes().to_vec()))
}

fn host() -> impl Strategy<Value = Bytes> {
    const HOSTS: [&str; 10] = [
        "shop.example.com",
        "SHOP.example.COM:443",
        "shop.example.com:",
        "[2001:DB8::1]:8443",
        "[2001:db8::1]",
        "admin",
        "abc:80:443",
        "abc:8a",
        ":80",
        "",
    ];
    prop_oneof![
        9 => select(&HOSTS[..]).prop_map(|host| Bytes(host.as_bytes().to_vec())),
        1 => value(),
    ]
}

fn path() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        6 => (vec(segment(), 0..4), weighted(0.8, query())).prop_map(|(segments, query)| {
            let path = [b"/".to_vec(), segments.join(&b"/"[..])].concat();
            Bytes(query.map_or(path.clone(), |query| [path, query].join(&b'?')))
        }),
        1 => value(),
    ]
}

fn segment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => plain_value(), 2 => wire_value()]
}

fn query() -> impl Strategy<Value = Vec<u8>> {
    vec(query_part(), 0..5).prop_map(|parts| parts.join(&b'&'))
}

fn query_part() -> impl Strategy<Value = Vec<u8>> {
    let name = || {
        select(&["q", "id", "n", "a+b", "a%20b", "%71", "Q", ""][..])
            .prop_map(|name| name.as_bytes().to_vec())
    };
    prop_oneof![
        2 => number_text().prop_map(|number| [b"n=", number.as_slice()].concat()),
        8 => (name(), query_value()).prop_map(|(name, value)| [name, value].join(&b'=')),
        1 => name(),
        1 => noise(),
    ]
}

fn query_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => wire_value(),
        1 => plain_value().prop_map(|value| value.iter().flat_map(|byte| percent(*byte)).collect()),
        1 => plain_value(),
    ]
}

pub(super) fn header() -> impl Strategy<Value = (Bytes, Bytes)> {
    let named = |name: &str| Just(Bytes(name.as_bytes().to_vec()));
    let name = prop_oneof![3 => named("x-a"), 3 => named("x-n"), 1 => named("x-b"), 2 => named("user-agent"), 2 => named("referer")];
    prop_oneof![
        4 => (name, value()),
        2 => (named("x-n"), number_text().prop_map(Bytes)),
        2 => (named("cookie"), cookies()),
    ]
}

fn cookies() -> impl Strategy<Value = Bytes> {
    let name = select(&["sid", "t", " sid", "sid ", "", "SID"][..]);
    let part = prop_oneof![
        4 => (name, wire_value()).prop_map(|(name, value)| [name.as_bytes(), value.as_slice()].join(&b'=')),
        2 => number_text().prop_map(|number| [b"t=", number.as_slice()].concat()),
        1 => noise(),
    ];
    let between = select(&["; ", ";", " ;\t", ";;"][..]);
    (vec(part, 0..4), between).prop_map(|(parts, between)| Bytes(parts.join(between.as_bytes())))
}

fn claim() -> impl Strategy<Value = (Bytes, Bytes)> {
    (
        select(&["sub", "role"][..]).prop_map(|name| Bytes(name.as_bytes().to_vec())),
        value(),
    )
}

fn custom() -> impl Strategy<Value = (Bytes, Bytes)> {
    let text = |address: IpAddr| Bytes(address.to_string().into_bytes());
    let proxy = prop_oneof![
        4 => address().prop_map(text),
        1 => select(&["", "10.1.2", "10.1.2.3 ", "::ffff:10.1.2.3", "010.1.2.3"][..])
            .prop_map(|text| Bytes(text.as_bytes().to_vec())),
    ];
    let proxy = (Just(Bytes(b"device.proxy".to_vec())), proxy);
    let other = (
        select(&["device.id", "device.tags"][..]).prop_map(|name| Bytes(name.as_bytes().to_vec())),
        value(),
    );
    prop_oneof![2 => other, 1 => proxy]
}

fn address() -> impl Strategy<Value = IpAddr> {
    const ADDRESSES: [&str; 16] = [
        "10.0.0.0",
        "10.1.2.3",
        "10.1.2.4",
        "10.255.255.255",
        "192.168.7.7",
        "203.0.113.9",
        "203.0.113.10",
        "127.255.255.255",
        "128.0.0.0",
        "255.255.255.255",
        "::ffff:10.1.2.3",
        "2001:db8::1",
        "2001:db8:1::1",
        "2001:db9::",
        "::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];
    prop_oneof![
        8 => select(&ADDRESSES[..]).prop_map(|address| address.parse().expect("an address")),
        1 => any::<[u8; 4]>().prop_map(IpAddr::from),
        1 => any::<[u8; 16]>().prop_map(IpAddr::from),
    ]
}

/// Instants that rules name, and their neighbours; the ends of time too, which no rule can name.
fn time_us() -> impl Strategy<Value = i64> {
    prop_oneof![
        9 => named_time_us(),
        1 => select(&[i64::MIN, i64::MAX][..]),
    ]
}

/// Instants that windows and comparisons name, within the years -9999 to 9999.
pub(super) fn named_time_us() -> impl Strategy<Value = i64> {
    const INSTANTS: [i64; 6] = [
        0,
        1_000_000,
        1_763_800_000_000_000,
        1_763_900_000_000_000,
        253_402_200_000_000_000,
        -377_700_000_000_000_000,
    ];
    (select(&INSTANTS[..]), -1_i64..=1).prop_map(|(instant, offset)| instant + offset)
}
