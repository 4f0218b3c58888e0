//! Addresses one after the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The next address of the family, unless this is the last.
pub(super) fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address)
            .checked_add(1)
            .map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(address) => u128::from(address)
            .checked_add(1)
            .map(|next| Ipv6Addr::from(next).into()),
    }
}

/// The one before, unless this is the first.
pub(super) fn previous(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address)
            .checked_sub(1)
            .map(|previous| Ipv4Addr::from(previous).into()),
        IpAddr::V6(address) => u128::from(address)
            .checked_sub(1)
            .map(|previous| Ipv6Addr::from(previous).into()),
    }
}
