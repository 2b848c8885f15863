//! Signing in as Ollama's client does (`server/auth.go`, `auth/auth.go`): challenged with the address of a
//! token server, it asks there with a signature, and shows the token that it gets. The operator says whose
//! keys are let in.
//!
//! Clients of registries that are challenged so ask for a token with the password instead, and get one too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::address::address;
use crate::config::OllamaKey;
use crate::server::Shared;
use crate::server::body::json;
use crate::server::operation::Operation;
use crate::server::tokens::LIFETIME;

/// Where tokens are given.
pub(super) const PATH: &str = "/v2/token";

/// Clocks of clients may differ by so much.
const CLOCKS: Duration = Duration::from_secs(300);

#[derive(Serialize, ToSchema)]
#[schema(as = RegistryToken)]
struct Given {
    token: String,
    /// Seconds.
    expires_in: u64,
}

/// Whether a request for a token is signed with one of these keys.
pub(in crate::server) fn is_signed(keys: &[OllamaKey], uri: &Uri, headers: &HeaderMap) -> bool {
    if uri.path() != PATH {
        return false;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let asked = address(headers, uri.path_and_query().map_or(PATH, |path| path.as_str()));
    authorization.is_some_and(|shown| is_signature(keys, &asked, uri.query().unwrap_or_default(), shown, now))
}

/// `PUBLIC KEY:SIGNATURE`, of the method, the address and the digest of no body (hexadecimal, in Base64),
/// with commas between. The address tells the time, so that an old signature is good for nothing.
fn is_signature(keys: &[OllamaKey], asked: &str, query: &str, shown: &str, now: Duration) -> bool {
    let Some((name, signature)) = shown.split_once(':') else { return false };
    let Some(key) = keys.iter().find(|key| key.name() == name) else { return false };
    let Ok(signature) = BASE64.decode(signature) else { return false };
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let seconds = pairs.find(|(key, _)| key == "ts").and_then(|(_, value)| value.parse().ok());
    let is_fresh = seconds.is_some_and(|seconds| now.abs_diff(Duration::from_secs(seconds)) <= CLOCKS);
    let text = format!("GET,{asked},{}", BASE64.encode(hex::encode(Sha256::digest([]))));
    is_fresh && webpki::ring::ED25519.verify_signature(key.bytes(), text.as_bytes(), &signature).is_ok()
}

/// `GET /v2/token`: nobody comes here who does not show what is asked for.
pub(super) async fn give(State(server): State<Shared>) -> Response {
    json(&Given { token: server.tokens.issue(), expires_in: LIFETIME.as_secs() })
}

/// What is described of this.
pub(super) fn operation() -> Operation {
    let about = "A token to show instead of the key, for clients that sign in as Ollama's does.";
    Operation::get(PATH, about)
        .asks::<u64>("ts", "When a signed request was made, in seconds since 1970.")
        .answers::<Given>(200, "The token, which is good for an hour.")
}
