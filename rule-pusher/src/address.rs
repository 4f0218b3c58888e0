//! Addresses as operators give them.

use std::net::Ipv6Addr;

/// `HOST:PORT` of what was given in that form or as `http://HOST:PORT`; none if it is neither.
pub(crate) fn host_and_port(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("http://").unwrap_or(address);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':')?;
    let is_port = port.parse().is_ok_and(|port: u16| port > 0) && !port.starts_with('+');
    (is_port && is_host(host)).then_some(rest)
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match in_brackets {
        Some(host) => host.parse::<Ipv6Addr>().is_ok(),
        None => {
            let is_in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.bytes().all(is_in_names)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let good = [
            ("127.0.0.1:7401", "127.0.0.1:7401"),
            ("http://127.0.0.1:7401", "127.0.0.1:7401"),
            ("http://pusher.shop-1.svc:65535/", "pusher.shop-1.svc:65535"),
            ("[::1]:1", "[::1]:1"),
        ];
        for (given, expected) in good {
            assert_eq!(host_and_port(given), Some(expected));
        }
        let bad = [
            "",
            ":7401",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:0",
            "127.0.0.1:+1",
            "127.0.0.1:65536",
            "127.0.0.1:abc",
            "127.0.0.1:",
            "::1:7401",
            "[::1]",
            "[127.0.0.1]:7401",
            "no address:7401",
            "operator@127.0.0.1:7401",
            "127.0.0.1:7401/x",
            "127.0.0.1:7401//",
            "https://127.0.0.1:7401",
            "http://http://127.0.0.1:7401",
        ];
        for given in bad {
            assert_eq!(host_and_port(given), None, "{given:?}");
        }
    }
}
