//! Blobs, whole or in ranges.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::endpoint::Repository;
use super::refusal::{Code, Refusal};
use crate::model::Digest;
use crate::server::extensions::download::send;
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
    let place = format!("/v2/{repository}/blobs/{digest}");
    for (name, text) in [
        (header::LOCATION, place),
        (header::HeaderName::from_static("docker-content-digest"), digest.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(text) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}
