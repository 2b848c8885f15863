//! Headers that several answers have.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Which bytes are sent (OCI distribution specification).
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Sets a header, unless it is no text that one can hold.
pub(super) fn set(headers: &mut HeaderMap, name: impl Into<HeaderName>, text: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::try_from(text.as_ref()) {
        headers.insert(name.into(), value);
    }
}

/// Whether the client has already what has this entity tag (RFC 9110, section 13.1.2).
pub(super) fn has_already(asked: &HeaderMap, tag: &str) -> bool {
    let tags = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    tags.is_some_and(|tags| names(tags, tag))
}

/// Whether a list of entity tags names this one.
pub(super) fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|named| named == "*" || named.trim_start_matches("W/") == tag)
}
