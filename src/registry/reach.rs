//! How far an address reaches: what a registry may send us to.
//!
//! A registry can name other places: by redirect, by upload location, by the realm of a challenge. A
//! hostile one names the services of our own network. So a registry may only send us to places that
//! are at least as public as itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Where clouds answer their machines, beside the link-local addresses: Azure, Alibaba, Amazon, Google.
const METADATA_SERVICES: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// How far an address reaches, from the most public to the most private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// An address of the Internet.
    Public,
    /// An address of a private network.
    Private,
    /// This machine or its own link; cloud metadata services are found here.
    Machine,
}

impl Reach {
    /// The reach of an address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            address if METADATA_SERVICES.contains(&address) => Self::Machine,
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match embedded_v4(address) {
                Some(inner) => Self::of(inner.into()),
                None => Self::of_v6(address),
            },
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [first, second, third, _] = address.octets();
        // Protocols of the link (RFC 6890), where Oracle's machines find their metadata.
        let of_protocols = [first, second, third] == [192, 0, 0];
        if address.is_loopback() || address.is_link_local() || of_protocols || first == 0 || first >= 224 {
            Self::Machine
        } else if address.is_private()
            || (first == 100 && second & 0xc0 == 64)
            || (first == 198 && second & 0xfe == 18)
        {
            Self::Private
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        // Where in the rest of this prefix an IPv4 address lies is the network's own choice (RFC 8215).
        let of_translator = address.segments()[..3] == [0x64, 0xff9b, 1];
        if address.is_loopback()
            || of_translator
            || address.is_unspecified()
            || address.is_multicast()
            || address.is_unicast_link_local()
        {
            Self::Machine
        } else if address.is_unique_local() {
            Self::Private
        } else {
            Self::Public
        }
    }

    /// The reach of the host of a URL where the URL itself tells it: an address or `localhost`.
    pub(super) fn of_literal(url: &Url) -> Option<Self> {
        match url.host()? {
            Host::Ipv4(address) => Some(Self::of(address.into())),
            Host::Ipv6(address) => Some(Self::of(address.into())),
            Host::Domain(name) => is_localhost(name).then_some(Self::Machine),
        }
    }
}

/// Whether a URL points to this machine by its very text.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => is_localhost(name),
        None => false,
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// The IPv4 address that an IPv6 address stands for: mapped (`::ffff:0:0/96`), translated (`64:ff9b::/96`,
/// RFC 6052, and `64:ff9b:1::/96`, RFC 8215) or tunnelled to (`2002::/16`, RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let (high, low) = match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ranked() {
        for (address, reach) in [
            ("8.8.8.8", Reach::Public),
            ("2606:4700::1111", Reach::Public),
            ("10.1.2.3", Reach::Private),
            ("172.31.0.1", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.100.100.100", Reach::Private),
            ("100.100.100.200", Reach::Machine),
            ("168.63.129.16", Reach::Machine),
            ("192.0.0.192", Reach::Machine),
            ("192.0.1.1", Reach::Public),
            ("fd00:ec2::254", Reach::Machine),
            ("fd20:ce::254", Reach::Machine),
            ("64:ff9b:1::a00:1", Reach::Private),
            ("64:ff9b:1::808:808", Reach::Public),
            ("64:ff9b:1:a9fe:a9:fe00:808:808", Reach::Machine),
            ("64:ff9b::a83f:8110", Reach::Machine),
            ("2002:a9fe:a9fe::1", Reach::Machine),
            ("2002:808:808::1", Reach::Public),
            ("fd00::1", Reach::Private),
            ("127.0.0.1", Reach::Machine),
            ("0.0.0.0", Reach::Machine),
            ("169.254.169.254", Reach::Machine),
            ("::1", Reach::Machine),
            ("::", Reach::Machine),
            ("fe80::1", Reach::Machine),
            ("::ffff:169.254.169.254", Reach::Machine),
            ("64:ff9b::a00:1", Reach::Private),
        ] {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
    }

    #[test]
    fn odd_spellings_of_addresses_are_addresses() {
        for text in
            ["http://0x7f.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://LOCALHOST./"]
        {
            assert_eq!(Reach::of_literal(&text.parse().unwrap()), Some(Reach::Machine), "{text}");
        }
        assert_eq!(Reach::of_literal(&"http://example.com/".parse().unwrap()), None);
    }
}
