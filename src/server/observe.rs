//! Requests as the operator sees them: each has an identifier, a span in the log, and a place in the metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::{Shared, links};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 64;

/// Logs and counts a request and its answer, which carries the request's identifier.
pub(super) async fn observe(State(server): State<Shared>, request: Request, next: Next) -> Response {
    let id = identifier(request.headers().get(REQUEST_ID));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        %method,
        path = told(request.uri().path())
    );
    async move {
        let start = Instant::now();
        let mut response = next.run(request).await;
        let time = start.elapsed();
        let route = route.as_ref().map_or("other", MatchedPath::as_str);
        server.metrics.answered(&method, route, response.status(), time);
        tracing::debug!(status = response.status().as_u16(), elapsed = ?time, "answered");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

/// A path as the log has it: the secret of a link is nobody's business.
fn told(path: &str) -> &str {
    if path.starts_with(links::PATH) { links::PATH } else { path }
}

/// The identifier that a client or a proxy gave, if it can stand in a log, or a new one.
fn identifier(given: Option<&HeaderValue>) -> HeaderValue {
    let is_sane = |value: &&HeaderValue| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=LONGEST_ID).contains(&value.len()) && value.as_bytes().iter().all(is_plain)
    };
    given.filter(is_sane).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&format!("{:016x}", rand::random::<u64>())).expect("digits are valid")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_taken_over_only_if_it_is_plain() {
        let kept = |text: &[u8]| {
            let value = HeaderValue::from_bytes(text).unwrap();
            identifier(Some(&value)) == value
        };
        assert!(kept(b"4bf92f35-77b3.a_b:1"));
        for bad in [&b""[..], b"two words", b"a\"b", b"\xFF\xFE", &[b'a'; 65]] {
            assert!(!kept(bad), "{bad:?}");
        }
        assert_eq!(identifier(None).len(), 16);
        assert_ne!(identifier(None), identifier(None));
    }
}
