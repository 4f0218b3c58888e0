//! A request as the engine sees it, and which parts of one a ruleset reads.

use core::net::IpAddr;

use crate::attributes::Base;

/// The facts of one request, borrowed from whoever has them.
///
/// Leave out what is absent, and what [`Needs`] says nobody reads.
#[derive(Debug, Default, Clone, Copy)]
pub struct Request<'a> {
    /// `:method`.
    pub method: Option<&'a [u8]>,
    /// `:scheme`.
    pub scheme: Option<&'a [u8]>,
    /// `:authority`.
    pub host: Option<&'a [u8]>,
    /// `:path`, with the query.
    pub path: Option<&'a [u8]>,
    /// `HTTP/1.1`, `HTTP/2` or `HTTP/3`.
    pub protocol: Option<&'a [u8]>,
    /// Envoy's request id.
    pub id: Option<&'a [u8]>,
    /// Header names in lower case with their values, in order, repeated names included, pseudo headers and
    /// [reserved](crate::headers::is_reserved) ones left out.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The true peer.
    pub source_ip: Option<IpAddr>,
    /// The client behind trusted proxies.
    pub client_ip: Option<IpAddr>,
    /// Wall clock, microseconds since the Unix epoch.
    pub time_us: i64,
    /// Whether the downstream connection is mutual TLS.
    pub mtls: Option<bool>,
    /// The first URI SAN of the peer's certificate.
    pub peer_uri_san: Option<&'a [u8]>,
    /// The subject of the peer's certificate.
    pub peer_subject: Option<&'a [u8]>,
    /// SNI.
    pub server_name: Option<&'a [u8]>,
    /// `TLSv1.3` for example.
    pub tls_version: Option<&'a [u8]>,
    /// Verified JWT claims, name and text.
    pub claims: &'a [(&'a [u8], &'a [u8])],
    /// What a custom filter knows of the request, by the names of attributes that authors declared; a name may come twice.
    pub custom: &'a [(&'a [u8], &'a [u8])],
    /// The whole body as the upstream reads it; `None` if there is none, if it is not known yet, and if it cannot be had.
    pub body: Option<&'a [u8]>,
}

/// Which parts of a request, and of what it was answered with, a ruleset reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs(u32);

macro_rules! needs {
    ($($name:ident: $($base:ident)|+;)+) => {
        impl Needs {
            $(
                #[doc = concat!("Whether `", stringify!($name), "` is read.")]
                #[must_use]
                pub fn $name(self) -> bool {
                    self.0 & (0 $(| Base::$base.bit())+) != 0
                }
            )+
        }
    };
}

needs! {
    method: Method;
    scheme: Scheme;
    host: Host | Hostname;
    path: Path | UrlPath | Query | Param;
    protocol: Protocol;
    id: Id;
    headers: Header | Cookie;
    source_ip: SourceIp;
    client_ip: ClientIp;
    mtls: Mtls;
    peer_uri_san: PeerUriSan;
    peer_subject: PeerSubject;
    server_name: ServerName;
    tls_version: TlsVersion;
    claims: Claim;
    custom: Custom;
    response_code: ResponseCode;
    response_headers: ResponseHeader;
    body: BodyJson | BodyForm;
}

impl Needs {
    pub(crate) fn from_bits(bits: u32) -> Needs {
        Needs(bits)
    }
}
