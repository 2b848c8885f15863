//! Where the server listens and clients find it, as `OLLAMA_HOST` says it (Ollama, `envconfig/config.go`).

use std::fmt;
use std::net::IpAddr;

/// The scheme, host and port of `OLLAMA_HOST`, and the path below which a client finds the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `http` or `https`.
    pub scheme: String,
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Empty, or what comes before the path of each request, beginning with a slash and not ending in one:
    /// where a server lies behind a reverse proxy.
    pub path: String,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            scheme: "http".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: Self::DEFAULT_PORT,
            path: String::new(),
        }
    }
}

impl Host {
    const DEFAULT_PORT: u16 = 11434;

    /// Parses `[scheme://]host[:port][/path]`; whatever is missing has its default. Nothing, if the port is
    /// none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let default_port = match text.split_once("://") {
            Some(("http", _)) => 80,
            Some(("https", _)) => 443,
            _ => Self::DEFAULT_PORT,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_port(authority);
        let host = match host.trim_matches(['[', ']']) {
            "" if port.is_none() => "127.0.0.1",
            host => host,
        };
        let path = match path.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        let port = match port {
            None | Some("") => default_port,
            Some(port) => port.parse().ok()?,
        };
        Some(Self { scheme: scheme.to_owned(), host: host.to_owned(), port, path })
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
        write!(formatter, "{}://{}{}", self.scheme, self.authority(), self.path)
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
            ("https://example.com:1234/path", "https://example.com:1234/path"),
            ("http://127.0.0.1:8080/a/b/", "http://127.0.0.1:8080/a/b"),
            ("127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("host:", "http://host:11434"),
            ("::1", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
            ("[::1]:99", "http://[::1]:99"),
        ];
        for (text, url) in cases {
            assert_eq!(Host::parse(text).unwrap().to_string(), url, "{text}");
        }
        for text in ["1.2.3.4:99999", ":abc", "host:-1", "http://host:1x/path"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
        assert_eq!(Host::default(), Host::parse("").unwrap());
        assert_eq!(Host::parse("0.0.0.0:5").unwrap().connectable().authority(), "127.0.0.1:5");
    }
}
