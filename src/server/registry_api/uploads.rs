//! Blobs on their way in (distribution specification, "Pushing blobs"): in one request, in two, or in chunks
//! with a question in between how much has arrived. What has arrived stays when a connection breaks, and when
//! the server is started anew.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::address::address;
use super::content_range::ContentRange;
use super::endpoint::digest;
use super::refusal::{Code, Refusal};
use crate::config::BEGUN_UPLOADS;
use crate::model::{Digest, Repository};
use crate::server::blobs;
use crate::server::body::{Incoming, stated_length};
use crate::server::headers::{CONTENT_DIGEST, set};
use crate::server::resumable;
use crate::server::{Server, Shared};
use crate::store::{FoundUpload, Length, StoreError, UploadId, UploadState, UploadWriter};

/// What clients of Docker's registry look for.
const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// What a request says behind its path.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// What the bytes hash to.
    digest: Option<Digest>,
    /// What another repository may have already.
    mount: Option<Digest>,
}

impl Asked {
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "digest" => asked.digest = Some(digest(&value)?),
                "mount" => asked.mount = Some(digest(&value)?),
                "digest-algorithm" if value != "sha256" => {
                    let shown: String = value.chars().take(80).collect();
                    let message = format!("digests of {shown:?} are not known, only of sha256");
                    return Err(Refusal::new(Code::DigestInvalid, message));
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// `POST /v2/NAME/blobs/uploads/`
pub(super) async fn begin(
    server: &Shared,
    repository: &Repository,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let asked = match Asked::parse(query) {
        Ok(asked) => asked,
        Err(refusal) => {
            discard(server, body);
            return Err(refusal);
        }
    };
    if let Some(digest) = asked.mount {
        // All repositories have the same blobs, so it does not matter where the client has seen it.
        if server.blocking_with(move |server| server.store().renew_if_whole(digest, None)).await?? {
            discard(server, body);
            return Ok(created(repository, digest));
        }
    }
    // A client of Ollama's names the digest and sends no bytes yet.
    let has_bytes = stated_length(headers) != Some(0) || asked.digest == Some(Digest::of(b""));
    if let Some(digest) = asked.digest.filter(|_| has_bytes && is_sent(headers)) {
        blobs::take::<Refusal>(server, digest, headers, body).await?;
        return Ok(created(repository, digest));
    }
    discard(server, body);
    let limits = &server.config().limits;
    let (length, lifetime) = (Length::AtMost(limits.upload), limits.upload_lifetime);
    let begin = move |server: &Server| server.store().begin_upload(length, "", lifetime, BEGUN_UPLOADS);
    let id = server.blocking_with(begin).await??;
    Ok((StatusCode::ACCEPTED, standing(repository, id, 0, headers)).into_response())
}

/// Reads what nobody needs, so that the client finds an answer.
fn discard(server: &Shared, body: Body) {
    Incoming::new(body, server.config().limits.stall).discard_rest();
}

/// Whether a request has a body at all.
fn is_sent(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

/// `GET /v2/NAME/blobs/uploads/ID`
pub(super) async fn look(
    server: &Shared,
    repository: &Repository,
    id: UploadId,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let (state, _) = resumable::standing::<Refusal>(server, id).await?;
    Ok((StatusCode::NO_CONTENT, standing(repository, id, state.offset, headers)).into_response())
}

/// `PATCH /v2/NAME/blobs/uploads/ID`
pub(super) async fn append(
    server: &Shared,
    repository: &Repository,
    id: UploadId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let state = receive(server, repository, id, headers, body, UploadWriter::finish).await?;
    Ok((StatusCode::ACCEPTED, standing(repository, id, state.offset, headers)).into_response())
}

/// `PUT /v2/NAME/blobs/uploads/ID?digest=DIGEST`
pub(super) async fn finish(
    server: &Shared,
    repository: &Repository,
    id: UploadId,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let unsaid = || Refusal::new(Code::DigestInvalid, "say what the bytes hash to: ?digest=sha256:…");
    let digest = match Asked::parse(query).and_then(|asked| asked.digest.ok_or_else(unsaid)) {
        Ok(digest) => digest,
        Err(refusal) => {
            discard(server, body);
            return Err(refusal);
        }
    };
    let end = move |writer: UploadWriter| writer.finish_as(digest);
    let state = receive(server, repository, id, headers, body, end).await?;
    match state.digest {
        Some(got) if got != digest => Err(StoreError::DigestMismatch { expected: digest, got }.into()),
        _ => Ok(created(repository, digest)),
    }
}

/// `DELETE /v2/NAME/blobs/uploads/ID`
pub(super) async fn cancel(server: &Shared, id: UploadId) -> Result<Response, Refusal> {
    resumable::remove::<Refusal>(server, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Receives the bytes of a request, which belong behind those that are there.
async fn receive(
    server: &Shared,
    repository: &Repository,
    id: UploadId,
    headers: &HeaderMap,
    body: Body,
    end: impl FnOnce(UploadWriter) -> Result<UploadState, StoreError> + Send + 'static,
) -> Result<UploadState, Refusal> {
    let body = Incoming::new(body, server.config().limits.stall);
    let _turn = server.uploads.acquire().await;
    let opened = async {
        let range = ContentRange::of(headers)?;
        Ok::<_, Refusal>((range, resumable::open::<Refusal>(server, id).await?))
    };
    let (range, upload) = match opened.await {
        Ok((range, FoundUpload::Part(upload))) => (range, upload),
        Ok((_, FoundUpload::Whole(state))) => {
            body.discard_rest();
            return Ok(state);
        }
        Err(refusal) => {
            body.discard_rest();
            return Err(refusal);
        }
    };
    let offset = upload.state().offset;
    let expected = range.map_or(Ok(None), |range| range.length_from(offset, stated_length(headers)));
    let expected = match expected {
        Ok(expected) => expected,
        Err(refusal) => {
            resumable::put_back(server, *upload).await?;
            body.discard_rest();
            return Err(refusal.telling(standing(repository, id, offset, headers)));
        }
    };
    let state = resumable::receive::<Refusal>(server, *upload, None, body, end).await?;
    match expected {
        Some(expected) if state.offset - offset != expected => {
            let message = format!("{} bytes came of {expected}", state.offset - offset);
            Err(Refusal::new(Code::SizeInvalid, message).telling(standing(
                repository,
                id,
                state.offset,
                headers,
            )))
        }
        _ => Ok(state),
    }
}

/// How an upload stands. Nothing of it is said as `0-0`, as Docker's registry does.
fn standing(repository: &Repository, id: UploadId, offset: u64, headers: &HeaderMap) -> HeaderMap {
    let mut told = HeaderMap::new();
    let path = format!("/v2/{repository}/blobs/uploads/{id}");
    set(&mut told, header::LOCATION, address(headers, &path));
    set(&mut told, header::RANGE, format!("0-{}", offset.saturating_sub(1)));
    set(&mut told, UPLOAD_UUID, id.to_string());
    told
}

fn created(repository: &Repository, digest: Digest) -> Response {
    let mut answer = StatusCode::CREATED.into_response();
    set(answer.headers_mut(), header::LOCATION, format!("/v2/{repository}/blobs/{digest}"));
    set(answer.headers_mut(), CONTENT_DIGEST, digest.to_string());
    answer
}
