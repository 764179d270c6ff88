//! Networks as the configuration names them.
//!
//! In:  `10.0.0.0/8`, `::1`, and so on.
//! Out: a [`Network`], asked whether an address is in it.
//!
//! Invariants:
//! - An IPv4 address that arrives on an IPv6 socket (`::ffff:10.0.0.1`) counts as the IPv4 address.

use std::net::IpAddr;

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Network {
    base: IpAddr,
    /// Leading bits that count.
    length: u32,
}

impl Network {
    /// Reads an address with or without `/length`.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(crate) fn read(text: &str) -> Result<Self, (String, String)> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let unreadable = || {
            let hint = "for example 10.0.0.0/8, 192.0.2.7 or fd00::/8";
            (format!("`{text}` is not an address or network"), hint.to_owned())
        };
        let base: IpAddr = address.parse().map_err(|_| unreadable())?;
        let width = width(base);
        let length = match length {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= width).ok_or_else(unreadable)?
            }
            Some(_) => return Err(unreadable()),
            None => width,
        };
        let network = Self { base: masked(base, length), length };
        if network.base == base {
            Ok(network)
        } else {
            let message = format!("`{text}` has bits to the right of its mask");
            Err((message, format!("write {}/{length}", network.base)))
        }
    }

    /// Whether the address lies in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.base) && masked(address, self.length) == self.base
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with only its first `length` bits.
pub(crate) fn masked(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let network = Network::read(network).expect("a network");
        for address in inside {
            assert!(network.contains(address.parse().expect("an address")), "{address}");
        }
        for address in outside {
            assert!(!network.contains(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn addresses_in_and_out() {
        check("10.0.0.0/8", &["10.0.0.0", "10.255.1.2", "::ffff:10.1.1.1"], &["11.0.0.0", "::1"]);
        check("192.0.2.7", &["192.0.2.7"], &["192.0.2.6"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("::/0", &["::1", "fd00::1"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check("fd00::/8", &["fdff::1"], &["fe80::1"]);
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "host", "all"] {
            assert!(Network::read(text).is_err(), "{text}");
        }
        let (message, hint) = Network::read("10.1.2.3/8").expect_err("bits to the right");
        assert_eq!(message, "`10.1.2.3/8` has bits to the right of its mask");
        assert_eq!(hint, "write 10.0.0.0/8");
    }
}
