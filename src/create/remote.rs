//! The address of a model that lives on another server.
//!
//! Rules: Ollama, `server/create.go` (`remoteURL`).

use url::Url;

const DEFAULT_PORT: u16 = 11434;

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad remote")]
pub struct InvalidRemote;

/// The full address that `text` means: scheme, host, port and the path in its plain form.
///
/// # Errors
/// The text is not an address of a server.
pub fn remote_url(text: &str) -> Result<String, InvalidRemote> {
    let text = match text {
        path if path.starts_with('/') => format!("http://localhost:{DEFAULT_PORT}{path}"),
        "ollama.com" | "http://ollama.com" => "https://ollama.com:443".to_owned(),
        full if full.contains("://") => full.to_owned(),
        host => format!("http://{host}"),
    };
    let url = Url::parse(&text).map_err(|_| InvalidRemote)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidRemote);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    // The parser hides a port that is the scheme's own, yet it was written.
    let authority = text.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let is_written = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = url.port_or_known_default().filter(|_| is_written).unwrap_or(DEFAULT_PORT);
    let path = url.path().trim_end_matches('/');
    Ok(format!("{}://{host}:{port}{path}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_have_defaults() {
        let cases = [
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
            ("example.com", "http://example.com:11434"),
            ("http://example.com", "http://example.com:11434"),
            ("https://example.com:443", "https://example.com:443"),
            ("ollama.com", "https://ollama.com:443"),
            ("/foo/../bar", "http://localhost:11434/bar"),
            ("http://example.com/", "http://example.com:11434"),
            ("http://[::1]:5/x/", "http://[::1]:5/x"),
        ];
        for (text, url) in cases {
            assert_eq!(remote_url(text).as_deref(), Ok(url), "{text}");
        }
        for bad in ["http://", "ftp://example.com", "http://a b"] {
            assert_eq!(remote_url(bad), Err(InvalidRemote), "{bad}");
        }
    }
}
