//! `/ollamake/v1/uploads`: uploads that go on after a lost connection, as clients of tus 1.0.0 make them
//! (<https://tus.io/protocols/resumable-upload>).
//!
//! `POST` begins one, `HEAD` tells how far it is, `PATCH` adds bytes, `DELETE` ends it. The last `PATCH`, and
//! every `HEAD` after it, tells the digest under which the bytes are a blob. The address of an upload cannot
//! be guessed, but it does not stand for the server's key.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::HttpMethod;

use super::tus;
use crate::config::BEGUN_UPLOADS;
use crate::server::blobs::too_large;
use crate::server::body::{Incoming, stated_length};
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::resumable;
use crate::server::{Server, Shared};
use crate::store::{Checksum, FoundUpload, Length, StoreError, UploadId, UploadState, UploadWriter};

pub(super) const ALLOW_ALL: &str = "OPTIONS, POST";
pub(super) const ALLOW_ONE: &str = "OPTIONS, HEAD, PATCH, DELETE, POST";

/// `OPTIONS /ollamake/v1/uploads`
pub(super) async fn capabilities(State(server): State<Shared>) -> Response {
    tus::capabilities(server.config().limits.upload, ALLOW_ALL)
}

/// `OPTIONS /ollamake/v1/uploads/ID`
pub(super) async fn capabilities_of_one(State(server): State<Shared>) -> Response {
    tus::capabilities(server.config().limits.upload, ALLOW_ONE)
}

/// `POST /ollamake/v1/uploads`
pub(super) async fn begin(State(server): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    let body = Incoming::new(body, server.config().limits.stall);
    tus::marked(begin_with(&server, &headers, body).await)
}

/// `HEAD /ollamake/v1/uploads/ID`
pub(super) async fn look(
    State(server): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    tus::marked(look_at(&server, &id, &headers).await)
}

/// `PATCH /ollamake/v1/uploads/ID`
pub(super) async fn add(
    State(server): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = Incoming::new(body, server.config().limits.stall);
    tus::marked(add_to(&server, &id, &headers, body).await)
}

/// `DELETE /ollamake/v1/uploads/ID`
pub(super) async fn end(
    State(server): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    tus::marked(remove(&server, &id, &headers).await)
}

/// `POST /ollamake/v1/uploads/ID`: one of the others, from clients that can send no more methods.
pub(super) async fn meant(
    State(server): State<Shared>,
    id: Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let server = State(server);
    match tus::method_meant(&headers) {
        Some("PATCH") => add(server, id, headers, body).await,
        Some("DELETE") => end(server, id, headers).await,
        Some("HEAD") => look(server, id, headers).await,
        _ => {
            let message = "send PATCH, or name the method that is meant in X-HTTP-Method-Override";
            tus::marked(Failure::new(StatusCode::METHOD_NOT_ALLOWED, message))
        }
    }
}

async fn begin_with(server: &Shared, headers: &HeaderMap, body: Incoming) -> Result<Response, Failure> {
    let limits = &server.config().limits;
    let wanted = wanted(headers, limits.upload);
    let (length, metadata, checksum) = match wanted {
        Ok(wanted) => wanted,
        Err(failure) => {
            body.discard_rest();
            return Err(failure);
        }
    };
    let (length_told, lifetime) = (Length::Exactly(length), limits.upload_lifetime);
    let begin =
        move |server: &Server| server.store().begin_upload(length_told, &metadata, lifetime, BEGUN_UPLOADS);
    let id = server.blocking_with(begin).await??;
    let state = if length == 0 || tus::has_bytes(headers) {
        let received = receive(server, id, 0, stated_length(headers), checksum, body).await;
        if received.is_err() {
            // Nobody was told of it, so nobody would go on with it.
            server.blocking_with(move |server| server.store().remove_upload(id)).await?.ok();
        }
        received?
    } else {
        server.blocking_with(move |server| server.store().upload_state(id)).await??
    };
    let mut answer = tus::standing(&state);
    // Relative, as the server does not know what stands before its own paths.
    let location = HeaderValue::try_from(format!("uploads/{id}")).expect("digits are valid");
    answer.insert(header::LOCATION, location);
    Ok((StatusCode::CREATED, answer).into_response())
}

/// What is asked for: the length, what is told about it, and the checksum of the bytes that come along.
fn wanted(headers: &HeaderMap, longest: u64) -> Result<(u64, String, Option<Checksum>), Failure> {
    tus::check_version(headers)?;
    let length = tus::length(headers)?;
    if length > longest {
        return Err(too_large(longest));
    }
    if !tus::has_bytes(headers) && stated_length(headers).unwrap_or(0) > 0 {
        return Err(tus::wrong_content());
    }
    Ok((length, tus::metadata(headers)?.to_owned(), tus::checksum(headers)?))
}

async fn look_at(server: &Shared, id: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    tus::check_version(headers)?;
    let id = parse(id)?;
    let (mut state, is_in_use) = resumable::standing::<Failure>(server, id).await?;
    if state.digest.is_none() && state.length.exact() == Some(state.offset) {
        // The client has nothing more to send, so it will not come again with a PATCH.
        if is_in_use {
            return Err(StoreError::UploadInUse { id }.into());
        }
        state = conclude(server, id).await?;
    }
    Ok((StatusCode::OK, tus::standing(&state), tus::beginning(&state)).into_response())
}

/// Makes a blob of an upload of which all bytes are there.
async fn conclude(server: &Shared, id: UploadId) -> Result<UploadState, Failure> {
    match resumable::open::<Failure>(server, id).await? {
        FoundUpload::Whole(state) => Ok(state),
        FoundUpload::Part(upload) => Ok(server.blocking(move || upload.writer(None).finish()).await??),
    }
}

async fn add_to(server: &Shared, id: &str, headers: &HeaderMap, body: Incoming) -> Result<Response, Failure> {
    let checked = || {
        tus::check_version(headers)?;
        let id = parse(id)?;
        if !tus::has_bytes(headers) {
            return Err(tus::wrong_content());
        }
        Ok((id, tus::offset(headers)?, tus::checksum(headers)?))
    };
    let (id, offset, checksum) = match checked() {
        Ok(checked) => checked,
        Err(failure) => {
            body.discard_rest();
            return Err(failure);
        }
    };
    let state = receive(server, id, offset, stated_length(headers), checksum, body).await?;
    Ok((StatusCode::NO_CONTENT, tus::standing(&state)).into_response())
}

async fn remove(server: &Shared, id: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    tus::check_version(headers)?;
    resumable::remove::<Failure>(server, parse(id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What no upload can be called does not exist.
fn parse(id: &str) -> Result<UploadId, Failure> {
    id.parse().map_err(|error: crate::store::InvalidUploadId| Failure::not_found(error.to_string()))
}

/// Receives bytes that belong at `offset`.
async fn receive(
    server: &Shared,
    id: UploadId,
    offset: u64,
    stated: Option<u64>,
    checksum: Option<Checksum>,
    body: Incoming,
) -> Result<UploadState, Failure> {
    let _turn = server.uploads.acquire().await;
    let upload = match begin_at(server, id, offset, stated).await {
        Ok(FoundUpload::Part(upload)) => *upload,
        Ok(FoundUpload::Whole(state)) => {
            body.discard_rest();
            return Ok(state);
        }
        Err(failure) => {
            body.discard_rest();
            return Err(failure);
        }
    };
    resumable::receive(server, upload, checksum, body, UploadWriter::finish).await
}

/// Opens an upload whose next byte is at `offset`.
async fn begin_at(
    server: &Shared,
    id: UploadId,
    offset: u64,
    stated: Option<u64>,
) -> Result<FoundUpload, Failure> {
    let found = resumable::open::<Failure>(server, id).await?;
    let state = match &found {
        FoundUpload::Whole(state) => state,
        FoundUpload::Part(upload) => upload.state(),
    };
    let most = state.length.bound();
    let refusal = if state.offset != offset {
        let message =
            format!("Upload-Offset is {offset}, but the next byte of this upload is at {}", state.offset);
        Some(Failure::new(StatusCode::CONFLICT, message))
    } else if stated.is_some_and(|stated| stated > most - offset) {
        Some(StoreError::UploadTooLong { length: most }.into())
    } else {
        None
    };
    match (refusal, found) {
        (None, found) => Ok(found),
        (Some(failure), FoundUpload::Whole(_)) => Err(failure),
        (Some(failure), FoundUpload::Part(upload)) => {
            resumable::put_back(server, *upload).await?;
            Err(failure)
        }
    }
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    const ALL: &str = "/ollamake/v1/uploads";
    const ONE: &str = "/ollamake/v1/uploads/{id}";
    /// What answers to an upload tell of it.
    const TOLD: [(&str, &str); 3] = [
        ("Upload-Offset", "How many bytes have arrived."),
        ("Upload-Expires", "When the upload is forgotten."),
        ("Ollamake-Digest", "The blob that it has become."),
    ];
    let tus = |method, path, about| {
        let version = "The version of tus, which has to be 1.0.0.";
        Operation::new(method, path, about).hears("Tus-Resumable", version).fails(&[412])
    };
    let one = |method, about| {
        let operation =
            tus(method, ONE, about).with("id", "The identifier with which the upload's address ends.");
        operation.fails(&[404, 410, 423])
    };
    let tells = |operation: Operation, status| {
        TOLD.into_iter().fold(operation, |told, (header, about)| told.tells(status, header, about))
    };
    let checked = |operation: Operation| {
        let about = "`sha1` or `sha256`, and the checksum of the body in Base64.";
        operation.hears("Upload-Checksum", about).takes_bytes(tus::BYTES).fails(&[409, 415, 460, 507])
    };
    let capable = |path| {
        let about = "What the server can do, of what tus 1.0.0 knows.";
        Operation::new(HttpMethod::Options, path, about)
            .answers_nothing(204, "The answer is in the headers.")
            .open()
    };
    let begin =
        tus(HttpMethod::Post, ALL, "Begins an upload that can go on after a lost connection (tus 1.0.0).")
            .hears("Upload-Length", "How many bytes the whole upload has.")
            .hears("Upload-Metadata", "Metadata of the upload, in the form of tus.")
            .answers_nothing(201, "The upload has begun.")
            .tells(201, "Location", "Where it is.")
            .fails(&[404, 410, 423, 431]);
    let look = one(HttpMethod::Head, "Tells how far an upload has come.")
        .answers_nothing(200, "The answer is in the headers.")
        .tells(200, "Upload-Length", "How many bytes the whole upload has.")
        .tells(200, "Upload-Metadata", "The metadata that it was begun with.");
    let add = one(HttpMethod::Patch, "Adds bytes to an upload.")
        .hears("Upload-Offset", "Where the bytes belong: behind those that have arrived.")
        .answers_nothing(204, "The bytes are stored durably.");
    let meant = one(HttpMethod::Post, "Stands for one of the other methods, for clients that know few.")
        .hears("X-HTTP-Method-Override", "The method that is meant: HEAD, PATCH or DELETE.")
        .hears("Upload-Offset", "The same as with PATCH.")
        .answers_nothing(200, "The answer of HEAD.")
        .answers_nothing(204, "The answer of PATCH or DELETE.")
        .fails(&[405]);
    vec![
        capable(ALL),
        checked(tells(begin, 201)),
        capable(ONE).with("id", "The identifier with which the upload's address ends."),
        tells(look, 200),
        checked(tells(add, 204)),
        one(HttpMethod::Delete, "Ends an upload. A blob that it has become stays.")
            .answers_nothing(204, "The upload has been removed."),
        checked(tells(meant, 204)),
    ]
}
