//! What a request says of itself, and what has only its usual value.

use riskgate_engine::attributes::Base;
use riskgate_engine::headers::is_reserved;

use super::{OwnedHeader, OwnedRequest, Wire};

/// Whatever of a request has a usual value and was not said. A client is known by the source as well.
pub(super) fn assumed(wire: &Wire) -> [Option<Base>; 5] {
    let has_client = wire.client_ip.is_some() || wire.source_ip.is_some();
    [
        (Base::Method, wire.method.is_some()),
        (Base::Scheme, wire.scheme.is_some()),
        (Base::Host, wire.host.is_some()),
        (Base::SourceIp, wire.source_ip.is_some()),
        (Base::ClientIp, has_client),
    ]
    .map(|(base, is_said)| (!is_said).then_some(base))
}

impl OwnedRequest {
    /// Whether it was said what `base` is of this request; `key` names a header, a cookie and the like. Of a body and of a
    /// URL, which are recorded whole, all is said or nothing; of headers that only the filter may set, nothing.
    #[must_use]
    pub fn says(&self, base: Base, key: &[u8]) -> bool {
        match base {
            Base::Path | Base::UrlPath | Base::Query | Base::Param => true,
            Base::Method | Base::Scheme | Base::Host | Base::SourceIp | Base::ClientIp => {
                !self.assumed.contains(&Some(base))
            }
            Base::Hostname => !self.assumed.contains(&Some(Base::Host)),
            Base::Protocol => self.protocol.is_some(),
            Base::Id => self.id.is_some(),
            Base::Time => self.time_us.is_some(),
            Base::Header => !is_reserved(key) && has(&self.headers, key),
            Base::Cookie => self.cookies().any(|name| name == key),
            Base::Mtls => self.peer_uri_san.is_some() || self.peer_subject.is_some(),
            Base::PeerUriSan => self.peer_uri_san.is_some(),
            Base::PeerSubject => self.peer_subject.is_some(),
            Base::ServerName => self.server_name.is_some(),
            Base::TlsVersion => self.tls_version.is_some(),
            Base::Claim => self.claims.iter().any(|(name, _)| name.as_bytes() == key),
            Base::ResponseCode => self.response_code.is_some(),
            Base::ResponseHeader => has(&self.response_headers, key),
            Base::Custom => has(&self.custom, key),
            Base::BodyJson | Base::BodyForm => self.body.is_some(),
        }
    }

    fn cookies(&self) -> impl Iterator<Item = &[u8]> {
        let headers = self.headers.iter().filter(|(name, _)| name == b"cookie");
        let pairs = headers.flat_map(|(_, value)| value.split(|&byte| byte == b';'));
        let names = pairs.filter_map(|pair| pair.split(|&byte| byte == b'=').next());
        names.map(<[u8]>::trim_ascii)
    }
}

fn has(headers: &[OwnedHeader], key: &[u8]) -> bool {
    headers.iter().any(|(name, _)| name == key)
}
