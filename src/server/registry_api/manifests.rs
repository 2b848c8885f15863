//! Manifests, by tag and by digest, byte for byte.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::endpoint::{Reference, Repository};
use super::refusal::{Code, Refusal};
use crate::model::{Digest, Manifest};
use crate::server::extensions::download::names;
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
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|tags| names(tags, &tag));
    let mut answer = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => bytes.to_vec().into_response(),
    };
    for (name, text) in [
        (header::CONTENT_TYPE, media_type(bytes)),
        (header::ETAG, tag),
        (header::HeaderName::from_static("docker-content-digest"), digest.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(text) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

fn by_digest(store: &Store, repository: &Repository, digest: Digest) -> Result<Arc<StoredManifest>, Refusal> {
    let is_it = |model: &Arc<StoredManifest>| {
        repository.holds(&model.name) && (model.digest == digest || Digest::of(model.published()) == digest)
    };
    let found = store.list()?.into_iter().find(is_it);
    found.ok_or_else(|| Refusal::new(Code::ManifestUnknown, format!("{repository} has no manifest {digest}")))
}

/// What a manifest says that it is; the oldest say nothing, and are all of one kind.
fn media_type(bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        #[serde(default)]
        media_type: String,
    }
    let typed: Option<Typed> = serde_json::from_slice(bytes).ok();
    typed
        .map(|typed| typed.media_type)
        .filter(|text| !text.is_empty())
        .unwrap_or(Manifest::MEDIA_TYPE.to_owned())
}
