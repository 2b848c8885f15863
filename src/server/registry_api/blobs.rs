//! Blobs, whole or in ranges.

use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::endpoint::Repository;
use super::refusal::{Code, Refusal};
use crate::model::Digest;
use crate::server::extensions::download::send;
use crate::server::headers::{CONTENT_DIGEST, set};
use crate::store::Store;

/// `GET /v2/NAME/blobs/DIGEST`
pub(super) fn read(
    store: &Store,
    repository: &Repository,
    digest: Digest,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let Some(blob) = store.whole_blob(digest, None, || true)? else {
        return Err(Refusal::new(Code::BlobUnknown, format!("blob {digest} is not here")));
    };
    let mut answer = send(blob, &digest.file_name(), headers);
    // Ollama's client asks for ranges where a registry sends it, and takes none that sends it nowhere.
    set(answer.headers_mut(), header::LOCATION, format!("/v2/{repository}/blobs/{digest}"));
    set(answer.headers_mut(), CONTENT_DIGEST, digest.to_string());
    Ok(answer)
}
