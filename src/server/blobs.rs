//! `/api/blobs/:digest`: whether a blob is there, and its upload.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::HttpMethod;

use super::Shared;
use super::body::{Incoming, stated_length};
use super::errors::Failure;
use super::operation::{BYTES, Operation};
use super::receiving::{BrokenOff, Chunks, Refused, receive_at_most};
use crate::model::Digest;
use crate::store::{BlobWriter, Committed, StoreError};

/// `HEAD /api/blobs/:digest`
pub(super) async fn head(
    State(server): State<Shared>,
    Path(text): Path<String>,
) -> Result<Response, Failure> {
    let digest: Digest = text.parse()?;
    if server.blocking_with(move |server| server.store().renew_if_whole(digest, None)).await?? {
        Ok(StatusCode::OK.into_response())
    } else {
        Err(Failure::not_found(format!("blob {text:?} not found")))
    }
}

/// `POST /api/blobs/:digest`
pub(super) async fn upload(
    State(server): State<Shared>,
    Path(text): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Failure> {
    let digest = match text.parse::<Digest>() {
        Ok(digest) => digest,
        Err(error) => {
            Incoming::new(body, server.config.limits.stall).discard_rest();
            return Err(error.into());
        }
    };
    match take::<Failure>(&server, digest, &headers, body).await? {
        Taken::Before => Ok(StatusCode::OK),
        Taken::Now => Ok(StatusCode::CREATED),
    }
}

/// When the store got a blob.
pub(super) enum Taken {
    /// It had it already.
    Before,
    /// With this request.
    Now,
}

/// Takes a body in that is a blob, unless it is there.
pub(super) async fn take<E: Refused>(
    server: &Shared,
    digest: Digest,
    headers: &HeaderMap,
    body: Body,
) -> Result<Taken, E> {
    let limits = &server.config.limits;
    let body = Incoming::new(body, limits.stall);
    let length = stated_length(headers);
    if length.is_some_and(|length| length > limits.upload) {
        body.discard_rest();
        return Err(too_large(limits.upload).into());
    }
    let existing = server
        .blocking_with(move |server| {
            // One of another length is what a crash has left; it is replaced.
            let exists = server.store().renew_if_whole(digest, length)?;
            if !exists {
                server.store().ensure_space(length.unwrap_or(0))?;
            }
            Ok::<_, StoreError>(exists)
        })
        .await?;
    match existing {
        // A client that waits for leave to send its body learns at once that it need not.
        Ok(true) if headers.contains_key(header::EXPECT) => return Ok(Taken::Before),
        Ok(true) => {
            body.discard(limits.upload);
            return Ok(Taken::Before);
        }
        Ok(false) => {}
        Err(error) => {
            body.discard_rest();
            return Err(error.into());
        }
    }
    let _turn = server.uploads.acquire().await;
    let (store, limit) = (server.store().clone(), limits.upload);
    let write = move |chunks| write(store.create_blob(), digest, chunks);
    let committed = receive_at_most::<_, E>(server, body, limit, || too_large(limit).into(), write).await?;
    tracing::info!(%digest, length = committed.blob.length(), "blob uploaded");
    Ok(Taken::Now)
}

/// Writes what comes in; nothing is kept, and nothing answered, if there comes no end.
fn write(
    mut writer: BlobWriter,
    digest: Digest,
    mut chunks: Chunks,
) -> Result<Option<Committed>, StoreError> {
    loop {
        match chunks.next() {
            Ok(Some(bytes)) => writer.append(&bytes)?,
            Ok(None) => return writer.commit(Some(digest)).map(Some),
            Err(BrokenOff) => return Ok(None),
        }
    }
}

pub(super) fn too_large(limit: u64) -> Failure {
    let message = format!("a blob must not be larger than {limit} bytes");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message).with_hint("the operator sets OLLAMAKE_MAX_UPLOAD")
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    const PATH: &str = "/api/blobs/{digest}";
    const DIGEST: &str = "`sha256:` and 64 digits";
    vec![
        Operation::new(HttpMethod::Head, PATH, "Tells whether a blob is there.")
            .with("digest", DIGEST)
            .answers_nothing(200, "The blob is there.")
            .fails(&[400, 404]),
        Operation::post(PATH, "Uploads a blob.")
            .with("digest", DIGEST)
            .takes_bytes(BYTES)
            .answers_nothing(200, "The blob was there already.")
            .answers_nothing(201, "The blob is there now.")
            .fails(&[507]),
    ]
}
