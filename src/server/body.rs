//! Bodies of requests and answers: JSON in, JSON out, and what becomes of bodies that nobody reads.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Shared;
use super::errors::{ContentType, Failure};
use crate::model::go_json;

/// A body of JSON that is longer than this, in bytes, takes a turn.
const LONG: usize = 64 << 10;

/// As much of a refused body is read so that the client gets to see the answer.
const REFUSED: u64 = 256 << 10;

/// What ended a body before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// Nothing came for too long.
    #[error("the request's body stalled for {} seconds", .0.as_secs())]
    Stalled(Duration),
    /// The connection broke, or its framing did.
    #[error("the request's body ended early")]
    Broken,
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// The next bytes of a body, or nothing at its end.
pub(super) async fn next_bytes(body: &mut Body, stall: Duration) -> Result<Option<Bytes>, BodyError> {
    loop {
        match timeout(stall, body.frame()).await {
            Err(_) => return Err(BodyError::Stalled(stall)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(BodyError::Broken),
            // Trailers say nothing that we want to know.
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Some(bytes)),
                Err(_) => {}
            },
        }
    }
}

/// Reads a whole body of limited length. Only a few long ones are read at once: whoever has one has a turn.
pub(super) async fn read_all(
    server: &Shared,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Failure> {
    let limits = &server.config.limits;
    let too_large = || {
        let message = format!("the request must not be larger than {} bytes", limits.request);
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if stated_length(headers).is_some_and(|length| length > limits.request) {
        discard(body, REFUSED, limits.stall);
        return Err(too_large());
    }
    let mut whole = Vec::new();
    let mut turn = None;
    while let Some(bytes) = next_bytes(&mut body, limits.stall).await? {
        if (whole.len() + bytes.len()) as u64 > limits.request {
            discard(body, REFUSED, limits.stall);
            return Err(too_large());
        }
        whole.extend_from_slice(&bytes);
        if whole.len() > LONG && turn.is_none() {
            turn = Arc::clone(&server.long_bodies).acquire_owned().await.ok();
        }
    }
    Ok((whole, turn))
}

/// The length that the client promises.
pub(super) fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads up to `limit` bytes of a body that nobody needs, apart from the answer, so that a client which
/// sends all of it before it looks at the answer finds an answer and not a broken connection.
pub(super) fn discard(mut body: Body, limit: u64, stall: Duration) {
    tokio::spawn(async move {
        let mut rest = limit;
        while rest > 0
            && let Ok(Some(bytes)) = next_bytes(&mut body, stall).await
        {
            rest = rest.saturating_sub(bytes.len() as u64);
        }
    });
}

/// The body of a request that is refused.
pub(super) fn discard_refused(body: Body, stall: Duration) {
    discard(body, REFUSED, stall);
}

/// An answer as Ollama's handlers write it.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    encoded(go_json::to_string(value).into_bytes())
}

/// The same for JSON that is encoded already.
pub(super) fn encoded(json: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, ContentType::JsonUtf8.header())], json).into_response()
}

/// An answer as Ollama's OpenAI handlers write it: with a line feed and without a character set.
pub(super) fn json_line<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    (status, [(header::CONTENT_TYPE, ContentType::Json.header())], go_json::to_line(value)).into_response()
}
