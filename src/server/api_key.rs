//! The key that clients have to show, where the operator has set one.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::body::Incoming;
use super::errors::Failure;
use super::health;

/// A secret that the server and its clients know.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// A text that cannot be sent as a key: it is empty, or holds something else than visible ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidApiKey;

impl ApiKey {
    /// Takes a text for a key, without the blanks and line ends around it.
    ///
    /// # Errors
    /// The rest is no key.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        let text = text.trim();
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text.to_owned())) } else { Err(InvalidApiKey) }
    }

    /// The key itself, for a client to send.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether it is the key that was shown. The time that this takes tells nothing about the key: what is
    /// compared are digests, all of their bytes.
    fn matches(&self, shown: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(shown)).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

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
    let is_open = request.method() == Method::OPTIONS || request.uri().path() == health::PATH;
    if is_open || shown(request.headers()).is_some_and(|key| required.key.matches(key)) {
        return next.run(request).await;
    }
    tracing::warn!("refused: the request does not show the server's key");
    Incoming::new(request.into_body(), required.stall).discard_refused();
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
    fn a_key_is_what_a_header_can_hold() {
        assert_eq!(ApiKey::parse(" s3cret+/=\n").map(|key| key.secret().to_owned()), Ok("s3cret+/=".into()));
        for bad in ["", " \n", "two words", "schlüssel", "a\0b"] {
            assert_eq!(ApiKey::parse(bad), Err(InvalidApiKey), "{bad:?}");
        }
    }

    #[test]
    fn only_the_whole_key_matches_and_nothing_tells_it() {
        let key = ApiKey::parse("secret").unwrap();
        assert!(key.matches(b"secret"));
        for wrong in [&b""[..], b"secre", b"secrets", b"Secret", &[0xFF; 6]] {
            assert!(!key.matches(wrong));
        }
        assert!(!format!("{key:?}").contains("secret"));
    }

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
