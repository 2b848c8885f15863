//! Where the server listens and clients find it, as `OLLAMA_HOST` says it (Ollama, `envconfig/config.go`).

use std::fmt;
use std::net::IpAddr;

/// The scheme, host and port of `OLLAMA_HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `http` or `https`.
    pub scheme: String,
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Host {
    const DEFAULT_PORT: u16 = 11434;

    /// Parses `[scheme://]host[:port][/path]`; whatever is missing or wrong has its default.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let default_port = match text.split_once("://") {
            Some(("http", _)) => 80,
            Some(("https", _)) => 443,
            _ => Self::DEFAULT_PORT,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = split_port(authority);
        let host = match host.trim_matches(['[', ']']) {
            "" if port.is_none() => "127.0.0.1",
            host => host,
        };
        Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: port.and_then(|port| port.parse().ok()).unwrap_or(default_port),
        }
    }

    /// Where a client on this machine connects: an unspecified address stands for the loopback one.
    pub fn connectable(&self) -> Self {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1",
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1",
            _ if self.host.is_empty() => "127.0.0.1",
            _ => &self.host,
        };
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// `host:port`, as a socket wants it.
    pub fn authority(&self) -> String {
        match self.host.as_str() {
            "" => format!("0.0.0.0:{}", self.port),
            host if host.contains(':') => format!("[{host}]:{}", self.port),
            host => format!("{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority())
    }
}

/// Splits `host:port`; an IPv6 address has a port only behind brackets.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    if authority.parse::<IpAddr>().is_ok() {
        return (authority, None);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_parsed_as_ollama_does() {
        let cases = [
            ("", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://0.0.0.0:11434"),
            ("1.2.3.4:56", "http://1.2.3.4:56"),
            (":8080", "http://0.0.0.0:8080"),
            ("example.com", "http://example.com:11434"),
            ("http://example.com", "http://example.com:80"),
            ("https://example.com", "https://example.com:443"),
            ("https://example.com:1234/path", "https://example.com:1234"),
            ("::1", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
            ("[::1]:99", "http://[::1]:99"),
            ("1.2.3.4:99999", "http://1.2.3.4:11434"),
        ];
        for (text, url) in cases {
            assert_eq!(Host::parse(text).to_string(), url, "{text}");
        }
        assert_eq!(Host::parse("0.0.0.0:5").connectable().authority(), "127.0.0.1:5");
    }
}
