//! Lets only those in who show the key.

use std::borrow::Cow;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::body::Incoming;
use super::errors::Failure;
use super::{Shared, health, links, page, registry_api};

/// The key that a client shows (RFC 6750; the name of a scheme matches in any letter case).
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    credentials(headers, "Bearer ")
}

/// The key that a client of a registry shows: as others do, or as the password of any user (RFC 7617).
fn shown_to_registry(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    if let Some(key) = shown(headers) {
        return Some(key.into());
    }
    let pair = BASE64.decode(credentials(headers, "Basic ")?).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    Some(pair[colon + 1..].to_vec().into())
}

fn credentials<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h [u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, credentials) = value.split_at_checked(wanted.len())?;
    scheme.eq_ignore_ascii_case(wanted.as_bytes()).then(|| credentials.trim_ascii())
}

/// Lets only those in who show the key. A browser asks without it whether it may ask with it, and whoever
/// watches over the server need not know it.
pub(super) async fn require(State(server): State<Shared>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    // A link is a key of its own.
    let is_open = method == Method::OPTIONS
        || path == health::PATH
        || path.starts_with(links::PATH)
        || page::is_asked_for(method, path, request.headers());
    let is_registry = path.starts_with(registry_api::PATH);
    let shown = match is_registry {
        true => shown_to_registry(request.headers()),
        false => shown(request.headers()).map(Cow::from),
    };
    let config = server.config();
    let is_key = |shown: &[u8]| config.api_key.as_ref().is_some_and(|key| key.matches(shown));
    let is_known = shown.is_some_and(|shown| is_key(&shown) || (is_registry && server.tokens.know(&shown)));
    let is_signed = registry_api::is_signed(&config.ollama_keys, request.uri(), request.headers());
    if is_open || is_known || is_signed {
        return next.run(request).await;
    }
    let challenges = is_registry.then(|| registry_api::challenges(config, request.headers()));
    if config.open_registry && registry_api::is_reading(method, path) {
        let mut answer = next.run(request).await;
        answer.headers_mut().extend(challenges.unwrap_or_default());
        return answer;
    }
    tracing::warn!("refused: the request does not show the server's key");
    Incoming::new(request.into_body(), config.limits.stall).discard_rest();
    if let Some(challenges) = challenges {
        return registry_api::unauthorized(challenges);
    }
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
