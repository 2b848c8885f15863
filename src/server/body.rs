//! Bodies of requests and answers: JSON in, JSON out, and what becomes of bodies that nobody reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// The rest of a long body may take so many times our patience as a whole.
const LONG_PATIENCE: u32 = 4;

/// A body has to bring at least so many bytes in the time that we are patient.
const LEAST_PROGRESS: usize = 64 << 10;

/// As much of a refused body is read so that the client gets to see the answer.
const REFUSED: u64 = 256 << 10;

/// What ended a body before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// Hardly anything came for too long.
    #[error("the request's body stalled: hardly anything came for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// It was long, and took a turn for too long.
    #[error("the request's body took longer than {} s; send less, or faster", .0.as_secs_f32())]
    Slow(Duration),
    /// The connection broke, or its framing did.
    #[error("the request's body ended early")]
    Broken,
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::Stalled(_) | BodyError::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// The body of a request, piece by piece, from a client that may be slow, but not for ever.
pub(super) struct Incoming {
    body: Body,
    patience: Duration,
    /// How long we wait for the client until it has made progress again. What the server takes does not
    /// count.
    left: Duration,
    progress: usize,
    is_limited: bool,
}

impl Incoming {
    /// A body that has to make progress within `patience`.
    pub(super) fn new(body: Body, patience: Duration) -> Self {
        Self { body, patience, left: patience, progress: 0, is_limited: false }
    }

    /// From here on `patience` is for all of the rest.
    fn limit(&mut self, patience: Duration) {
        (self.patience, self.left, self.is_limited) = (patience, patience, true);
    }

    /// The next bytes, or nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let start = Instant::now();
            let frame = timeout(self.left, self.body.frame()).await;
            self.left = self.left.saturating_sub(start.elapsed());
            let frame = match frame {
                Err(_) if self.is_limited => return Err(BodyError::Slow(self.patience)),
                Err(_) => return Err(BodyError::Stalled(self.patience)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(BodyError::Broken),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing that we want to know.
            let Ok(bytes) = frame.into_data() else { continue };
            self.progress += bytes.len();
            if self.progress >= LEAST_PROGRESS && !self.is_limited {
                (self.progress, self.left) = (0, self.patience);
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    /// Reads up to `limit` bytes of what nobody needs, apart from the answer, so that a client which sends
    /// all of it before it looks at the answer finds an answer and not a broken connection.
    pub(super) fn discard(mut self, limit: u64) {
        tokio::spawn(async move {
            let mut rest = limit;
            while rest > 0
                && let Ok(Some(bytes)) = self.next().await
            {
                rest = rest.saturating_sub(bytes.len() as u64);
            }
        });
    }

    /// Reads what is left of the body of a request that has its answer already, up to a limit.
    pub(super) fn discard_rest(self) {
        self.discard(REFUSED);
    }
}

/// Reads a whole body of limited length. Only a few long ones are read at once: whoever has one has a turn.
pub(super) async fn read_all(
    server: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Failure> {
    read_at_most(server, headers, body, server.config.limits.request).await
}

/// The same with a limit of its own.
pub(super) async fn read_at_most(
    server: &Shared,
    headers: &HeaderMap,
    body: Body,
    limit: u64,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Failure> {
    let limits = &server.config.limits;
    let too_large = || {
        let message = format!("the request must not be larger than {limit} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let mut body = Incoming::new(body, limits.stall);
    if stated_length(headers).is_some_and(|length| length > limit) {
        body.discard_rest();
        return Err(too_large());
    }
    let mut whole = Vec::new();
    let mut turn = None;
    while let Some(bytes) = body.next().await? {
        if (whole.len() + bytes.len()) as u64 > limit {
            body.discard_rest();
            return Err(too_large());
        }
        whole.extend_from_slice(&bytes);
        if whole.len() > LONG && turn.is_none() {
            turn = Arc::clone(&server.long_bodies).acquire_owned().await.ok();
            // Others wait for this turn.
            body.limit(limits.stall * LONG_PATIENCE);
        }
    }
    Ok((whole, turn))
}

/// The length that the client promises.
pub(super) fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
