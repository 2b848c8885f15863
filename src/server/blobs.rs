//! `/api/blobs/:digest`: whether a blob is there, and its upload.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::HttpMethod;

use super::Shared;
use super::body::{BodyError, Incoming, stated_length};
use super::errors::Failure;
use super::operation::{BYTES, Operation};
use super::receiving::{self, BrokenOff, Chunks, Received};
use crate::model::Digest;
use crate::store::{BlobWriter, Committed, StoreError};

/// `HEAD /api/blobs/:digest`
pub(super) async fn head(
    State(server): State<Shared>,
    Path(text): Path<String>,
) -> Result<Response, Failure> {
    let digest: Digest = text.parse()?;
    let store = server.store().clone();
    if server.blocking(move || store.renew_if_whole(digest, None)).await?? {
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
    let limits = &server.config.limits;
    let body = Incoming::new(body, limits.stall);
    let digest = match text.parse::<Digest>() {
        Ok(digest) => digest,
        Err(error) => {
            body.discard_rest();
            return Err(error.into());
        }
    };
    let length = stated_length(&headers);
    if length.is_some_and(|length| length > limits.upload) {
        body.discard_rest();
        return Err(too_large(limits.upload));
    }
    let store = server.store().clone();
    let existing = server
        .blocking(move || {
            // One of another length is what a crash has left; it is replaced.
            let exists = store.renew_if_whole(digest, length)?;
            if !exists {
                store.ensure_space(length.unwrap_or(0))?;
            }
            Ok::<_, StoreError>(exists)
        })
        .await?;
    match existing {
        // A client that waits for leave to send its body learns at once that it need not.
        Ok(true) if headers.contains_key(header::EXPECT) => return Ok(StatusCode::OK),
        Ok(true) => {
            body.discard(limits.upload);
            return Ok(StatusCode::OK);
        }
        Ok(false) => {}
        Err(error) => {
            body.discard_rest();
            return Err(error.into());
        }
    }
    let _turn = server.uploads.acquire().await;
    let committed = receive(&server, digest, body).await?;
    tracing::info!(%digest, length = committed.blob.length(), "blob uploaded");
    Ok(StatusCode::CREATED)
}

/// Receives a body into the store.
async fn receive(server: &Shared, digest: Digest, body: Incoming) -> Result<Committed, Failure> {
    let limit = server.config.limits.upload;
    let store = server.store().clone();
    let (ended, written) =
        receiving::receive(server, body, limit, move |chunks| write(store.create_blob(), digest, chunks))
            .await?;
    match ended {
        Err(Received::TooMuch) => return Err(too_large(limit)),
        Err(Received::Early(error)) => return Err(error.into()),
        Ok(()) => {}
    }
    written?.ok_or_else(|| BodyError::Broken.into())
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
        Operation::new(HttpMethod::Head, PATH, "Whether a blob is there.")
            .with("digest", DIGEST)
            .answers_nothing(200, "It is.")
            .fails(&[400, 404]),
        Operation::post(PATH, "Uploads a blob.")
            .with("digest", DIGEST)
            .takes_bytes(BYTES)
            .answers_nothing(200, "It was there.")
            .answers_nothing(201, "It is there now.")
            .fails(&[507]),
    ]
}
