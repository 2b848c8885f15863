//! Manifests, by tag and by digest, byte for byte.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::endpoint::{Reference, Repository};
use super::refusal::{Code, Refusal};
use crate::model::{Digest, Manifest};
use crate::server::headers::{CONTENT_DIGEST, has_already, set};
use crate::store::{Store, StoredManifest};

/// `GET /v2/NAME/manifests/REFERENCE`
pub(super) fn read(
    store: &Store,
    repository: &Repository,
    reference: &Reference,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let model = match reference {
        Reference::Tag(tag) => store.manifest(&repository.tagged(tag)?)?,
        Reference::Digest(digest) => by_digest(store, repository, *digest)?,
    };
    let bytes = model.published();
    let digest = Digest::of(bytes);
    let tag = format!("\"{digest}\"");
    let mut answer = match has_already(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => bytes.to_vec().into_response(),
    };
    // The oldest manifests say nothing of their kind, and are all of one.
    let kind = Some(model.manifest.media_type.as_str()).filter(|kind| !kind.is_empty());
    let answered = answer.headers_mut();
    set(answered, header::CONTENT_TYPE, kind.unwrap_or(Manifest::MEDIA_TYPE));
    set(answered, header::ETAG, tag);
    set(answered, CONTENT_DIGEST, digest.to_string());
    Ok(answer)
}

fn by_digest(store: &Store, repository: &Repository, digest: Digest) -> Result<Arc<StoredManifest>, Refusal> {
    let is_it = |model: &Arc<StoredManifest>| {
        repository.holds(&model.name) && (model.digest == digest || Digest::of(model.published()) == digest)
    };
    let found = store.list()?.into_iter().find(is_it);
    found.ok_or_else(|| Refusal::new(Code::ManifestUnknown, format!("{repository} has no manifest {digest}")))
}
