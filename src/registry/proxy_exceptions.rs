//! What is asked for without a proxy: the entries of `NO_PROXY`.
//!
//! There is no standard; the rules are those that curl, Go (`golang.org/x/net/http/httpproxy`) and others
//! have in common: names with all their subdomains, addresses, networks, each with a port or without, and
//! `*`.

use std::net::IpAddr;

use url::{Host, Url};

use super::reach::is_loopback;

/// The entries.
#[derive(Debug, Clone, Default)]
pub(super) struct Exceptions(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    hosts: Hosts,
    /// Any, if none is given.
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum Hosts {
    All,
    /// A name and those below it.
    Below(String),
    /// The addresses that begin with so many bits of this one.
    Network(IpAddr, u32),
}

impl Exceptions {
    /// Parses entries that are separated by commas or blanks.
    pub(super) fn parse(text: &str) -> Self {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self(entries.map(|entry| Entry::parse(&entry.to_ascii_lowercase())).collect())
    }

    /// Whether a URL is asked for without a proxy. This machine always is.
    pub(super) fn contain(&self, url: &Url) -> bool {
        is_loopback(url) || self.0.iter().any(|entry| entry.contains(url))
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        let address = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if address(text).is_none() && port.parse::<u16>().is_ok() => {
                (host, port.parse().ok())
            }
            _ => (text, None),
        };
        let network = || {
            let (base, bits) = host.split_once('/')?;
            Some((address(base)?, bits.parse().ok()?))
        };
        let hosts = match (host, address(host), network()) {
            ("*", ..) => Hosts::All,
            (_, Some(address), _) => Hosts::Network(address, u128::BITS),
            (_, _, Some((base, bits))) => Hosts::Network(base, bits),
            (name, ..) => Hosts::Below(name.trim_start_matches(['*', '.']).trim_end_matches('.').to_owned()),
        };
        Self { hosts, port }
    }

    fn contains(&self, url: &Url) -> bool {
        let is_port = self.port.is_none_or(|port| url.port_or_known_default() == Some(port));
        is_port
            && match (&self.hosts, url.host()) {
                (Hosts::All, _) => true,
                (Hosts::Below(name), Some(Host::Domain(host))) => {
                    let host = host.trim_end_matches('.');
                    let above = host.strip_suffix(name.as_str());
                    !name.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
                }
                (Hosts::Network(base, bits), Some(Host::Ipv4(host))) => shares(*base, host.into(), *bits),
                (Hosts::Network(base, bits), Some(Host::Ipv6(host))) => shares(*base, host.into(), *bits),
                _ => false,
            }
    }
}

/// Whether two addresses of the same kind share their first bits.
fn shares(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let (difference, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()), u32::BITS),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), u128::BITS),
        _ => return false,
    };
    difference.checked_shr(width.saturating_sub(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_mean_what_they_mean_elsewhere() {
        for (entry, url, expected) in [
            ("reg.example.com:443", "https://reg.example.com/", true),
            ("reg.example.com:443", "https://reg.example.com:5000/", false),
            ("reg.example.com:5000", "http://reg.example.com:5000/", true),
            ("example.com", "https://reg.example.com/", true),
            (".example.com", "https://reg.example.com/", true),
            ("*.example.com", "https://reg.example.com/", true),
            ("EXAMPLE.com.", "https://example.com/", true),
            ("example.com", "https://notexample.com/", false),
            ("example.com", "https://example.com.evil.org/", false),
            ("a.example, b.example", "https://b.example/", true),
            ("10.1.2.3", "http://10.1.2.3/", true),
            ("10.1.2.3:80", "http://10.1.2.3:81/", false),
            ("10.0.0.0/8", "http://10.200.0.1:5000/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("10.0.0.0/0", "http://11.0.0.1/", true),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd12::1", "http://[fd12::1]:5000/", true),
            ("[fd12::1]:5000", "http://[fd12::1]:5000/", true),
            ("[fd12::1]:5000", "http://[fd12::1]:5001/", false),
            ("*", "https://anything.example/", true),
            ("", "http://localhost:5000/", true),
            ("", "http://127.3.2.1/", true),
            ("", "http://[::1]/", true),
            ("", "http://10.0.0.1/", false),
            (".", "http://10.0.0.1/", false),
            (".", "http://example.com/", false),
        ] {
            let contained = Exceptions::parse(entry).contain(&url.parse().unwrap());
            assert_eq!(contained, expected, "{entry:?} {url}");
        }
    }
}
