//! Lets only those in who show the key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::Incoming;
use super::errors::Failure;
use super::{health, links, page};
use crate::config::ApiKey;

/// The key that a client shows (RFC 6750; the name of a scheme matches in any letter case).
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

/// What [`require`] needs to know.
#[derive(Debug, Clone)]
pub(super) struct Requirement {
    pub(super) key: Arc<ApiKey>,
    pub(super) stall: std::time::Duration,
}

/// Lets only those in who show the key. A browser asks without it whether it may ask with it, and whoever
/// watches over the server need not know it.
pub(super) async fn require(State(required): State<Requirement>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    // A link is a key of its own.
    let is_open = method == Method::OPTIONS
        || path == health::PATH
        || path.starts_with(links::PATH)
        || page::is_asked_for(method, path, request.headers());
    if is_open || shown(request.headers()).is_some_and(|key| required.key.matches(key)) {
        return next.run(request).await;
    }
    tracing::warn!("refused: the request does not show the server's key");
    Incoming::new(request.into_body(), required.stall).discard_rest();
    let message = "unauthorized: send the server's key in the header \"Authorization: Bearer KEY\"";
    let failure = Failure::new(StatusCode::UNAUTHORIZED, message);
    let mut response = failure.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_matches_in_any_letter_case() {
        let with = |value: &'static str| {
            HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))])
        };
        assert_eq!(shown(&with("Bearer k")), Some(&b"k"[..]));
        assert_eq!(shown(&with("bearer  k ")), Some(&b"k"[..]));
        for other in ["", "Bearer", "k", "Basic k"] {
            assert_eq!(shown(&with(other)), None, "{other}");
        }
    }
}
