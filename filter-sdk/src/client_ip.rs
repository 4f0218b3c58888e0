//! Whose address a request comes from.

use crate::headers::Header;
use std::net::{IpAddr, SocketAddr};

/// How `client.ip` is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIp {
    /// It is the peer of the connection.
    Peer,
    /// It is that many addresses from the right in `x-forwarded-for`; at least 1.
    TrustedHops(usize),
}

/// The address in Envoy's `source.address`, which carries the port: `192.0.2.1:567` or `[2001:db8::1]:567`.
pub fn parse_source_address(address: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(address).ok()?;
    let address = text
        .parse::<SocketAddr>()
        .map(|socket| socket.ip())
        .or_else(|_| text.parse())
        .ok()?;
    Some(address.to_canonical())
}

impl ClientIp {
    /// The client's address, unless it is the peer's: so it is where a header is too short or unreadable at the trusted
    /// place, too.
    pub fn forwarded(self, headers: &[Header<'_>]) -> Option<IpAddr> {
        match self {
            ClientIp::Peer => None,
            ClientIp::TrustedHops(hops) => forwarded_for(headers, hops),
        }
    }
}

/// The `hops`-th address from the right. Several headers count as one, joined in their order.
fn forwarded_for(headers: &[Header<'_>], hops: usize) -> Option<IpAddr> {
    let values = headers
        .iter()
        .rev()
        .filter(|(name, _)| *name == b"x-forwarded-for")
        .map(|(_, value)| value);
    let entry = values
        .flat_map(|value| value.rsplit(|byte| *byte == b','))
        .nth(hops.checked_sub(1)?)?;
    let address: IpAddr = str::from_utf8(entry.trim_ascii()).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn source_addresses() {
        let cases = [
            ("192.0.2.1:567", Some("192.0.2.1")),
            ("[2001:db8::1]:567", Some("2001:db8::1")),
            ("[::ffff:192.0.2.1]:567", Some("192.0.2.1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("@internal", None),
            ("/run/envoy.sock", None),
            ("", None),
        ];
        for (address, expected) in cases {
            assert_eq!(
                parse_source_address(address.as_bytes()),
                expected.map(ip),
                "{address}"
            );
        }
        assert_eq!(parse_source_address(b"\xff1.2.3.4:5"), None);
    }

    #[test]
    fn trusted_hops() {
        let peer = None;
        let client = Some("203.0.113.9");
        type Case = (usize, &'static [&'static [u8]], Option<&'static str>);
        let cases: [Case; 13] = [
            (1, &[b"203.0.113.9, 10.0.0.1"], Some("10.0.0.1")),
            (2, &[b"203.0.113.9, 10.0.0.1"], client),
            // A client that forges the header only adds to the left of what trusted proxies wrote.
            (2, &[b"6.6.6.6, 203.0.113.9, 10.0.0.1"], client),
            (2, &[b"6.6.6.6", b"203.0.113.9", b"10.0.0.1"], client),
            (2, &[b"6.6.6.6,203.0.113.9 ,\t10.0.0.1 "], client),
            (2, &[b"2001:db8::7, 10.0.0.1"], Some("2001:db8::7")),
            (2, &[b"::ffff:203.0.113.9, 10.0.0.1"], client),
            // Too few, none, or unreadable at that place: the peer.
            (3, &[b"203.0.113.9, 10.0.0.1"], peer),
            (1, &[], peer),
            (2, &[b"unknown, 10.0.0.1"], peer),
            (2, &[b"\xff\xfe, 10.0.0.1"], peer),
            (2, &[b", 10.0.0.1"], peer),
            (2, &[b"203.0.113.9:443, 10.0.0.1"], peer),
        ];
        for (hops, values, expected) in cases {
            let headers: Vec<Header> = values
                .iter()
                .map(|value| (&b"x-forwarded-for"[..], *value))
                .collect();
            assert_eq!(
                ClientIp::TrustedHops(hops).forwarded(&headers),
                expected.map(ip),
                "{hops} {values:?}"
            );
            assert_eq!(ClientIp::Peer.forwarded(&headers), None);
        }
    }
}
