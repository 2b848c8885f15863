//! Whole addresses of this server.

use axum::http::{HeaderMap, HeaderName, header};

/// What the scheme is where a program stands before the server.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where the client that sent these headers reaches a path: a whole address, since Ollama's client takes no
/// other.
pub(super) fn address(headers: &HeaderMap, path: &str) -> String {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match text(&FORWARDED_PROTO) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    };
    match text(&header::HOST) {
        Some(host) => format!("{scheme}://{host}{path}"),
        None => path.to_owned(),
    }
}
