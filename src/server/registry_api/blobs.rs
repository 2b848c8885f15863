//! Blobs, whole or in ranges.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::refusal::{Code, Refusal};
use crate::model::{Digest, Repository};
use crate::server::extensions::download::send;
use crate::server::headers::{CONTENT_DIGEST, set};
use crate::store::Store;

/// `GET /v2/NAME/blobs/DIGEST`, or only whether it is there.
pub(super) fn read(
    store: &Store,
    is_question: bool,
    repository: &Repository,
    digest: Digest,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let Some(blob) = store.whole_blob(digest, None, || true)? else { return Err(unknown(digest)) };
    if is_question {
        // Whoever asks so is about to push a manifest that names it.
        store.renew(&blob);
    }
    let mut answer = send(blob, &digest.file_name(), headers);
    // Ollama's client asks for ranges where a registry sends it, and takes none that sends it nowhere.
    set(answer.headers_mut(), header::LOCATION, format!("/v2/{repository}/blobs/{digest}"));
    set(answer.headers_mut(), CONTENT_DIGEST, digest.to_string());
    Ok(answer)
}

/// `DELETE /v2/NAME/blobs/DIGEST`: a blob that nothing needs. It is one for all repositories.
pub(super) fn remove(store: &Store, digest: Digest) -> Result<Response, Refusal> {
    if !store.contains(digest)? {
        return Err(unknown(digest));
    }
    if store.remove_unused(&[digest])?.is_empty() && store.contains(digest)? {
        let message = format!(
            "blob {digest} is needed by a model or by another manifest, or in use: delete what needs it first"
        );
        return Err(Refusal::new(Code::Denied, message));
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

fn unknown(digest: Digest) -> Refusal {
    Refusal::new(Code::BlobUnknown, format!("blob {digest} is not here"))
}
