//! IP addresses and CIDR prefixes, as [`Prefix`].

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::ir::Prefix;

/// Why a text is no address and no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CidrError {
    /// The part before the `/` is no address.
    #[error(
        "write an IPv4 or IPv6 address such as `192.0.2.1` or `2001:db8::1`, or a prefix such as `10.0.0.0/8`"
    )]
    Address,
    /// The part after the `/` is no length for the address.
    #[error("the length after `/` goes from 0 to {max}")]
    Length {
        /// 32 or 128.
        max: u8,
    },
    /// Bits after the length are set.
    #[error("bits after the prefix length are set: write `{}/{}`, or a longer prefix", .network.address, .network.length)]
    HostBits {
        /// The prefix without them.
        network: Prefix,
    },
}

/// An address as a prefix of its full length, or a prefix.
///
/// An IPv4-mapped IPv6 address counts as IPv4, and so does a prefix of such addresses only (`/96` and longer).
///
/// # Errors
///
/// If the text is neither, or a prefix with host bits set.
pub fn parse(text: &str) -> Result<Prefix, CidrError> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length)),
    };
    let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
    let max = bits(address);
    let length = match length {
        None => max,
        Some(digits) => parse_length(digits, max).ok_or(CidrError::Length { max })?,
    };
    let prefix = unmap(Prefix { address, length });
    let network = Prefix {
        address: mask(prefix.address, prefix.length),
        ..prefix
    };
    if network == prefix {
        Ok(prefix)
    } else {
        Err(CidrError::HostBits { network })
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn parse_length(digits: &str, max: u8) -> Option<u8> {
    let canonical = digits == "0"
        || (!digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .parse()
        .ok()
        .filter(|&length| canonical && length <= max)
}

fn unmap(prefix: Prefix) -> Prefix {
    const MAPPED: u8 = 96;
    match prefix.address {
        IpAddr::V6(address) => {
            match (address.to_ipv4_mapped(), prefix.length.checked_sub(MAPPED)) {
                (Some(address), Some(length)) => Prefix {
                    address: IpAddr::V4(address),
                    length,
                },
                _ => prefix,
            }
        }
        IpAddr::V4(_) => prefix,
    }
}

fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(length.min(32)))
                .unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CidrError, parse};

    #[test]
    fn addresses_and_prefixes() {
        let cases = [
            ("192.0.2.1", "192.0.2.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::fffe:0:0/95", "::fffe:0:0/95"),
        ];
        for (text, expected) in cases {
            let prefix = parse(text).expect(text);
            assert_eq!(
                format!("{}/{}", prefix.address, prefix.length),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_neither() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.01",
            "10.0.0.0/",
            "localhost",
            "fe80::1%eth0",
            "[::1]",
            " 10.0.0.1",
            "10.0.0.1:80",
        ] {
            assert!(
                matches!(
                    parse(text),
                    Err(CidrError::Address | CidrError::Length { .. })
                ),
                "{text}"
            );
        }
        for text in [
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
        ] {
            assert!(
                matches!(parse(text), Err(CidrError::Length { .. })),
                "{text}"
            );
        }
        for (text, network) in [
            ("10.1.0.0/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.1.0.0/104", "10.0.0.0/8"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(network), "{text}: {message}");
        }
    }
}
