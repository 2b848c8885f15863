//! `/ollamake/v1/blobs/DIGEST`: the bytes of a blob.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::download::{self, send};
use crate::model::Digest;
use crate::server::Shared;
use crate::server::errors::Failure;
use crate::server::operation::Operation;

/// `GET /ollamake/v1/blobs/DIGEST`
pub(super) async fn read(
    State(server): State<Shared>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let digest: Digest = digest.parse()?;
    let blob = server.blocking_with(move |server| server.store().blob(digest)).await??;
    Ok(send(blob, &digest.file_name(), &headers))
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    let about = "The bytes of a blob, whole or in a range.";
    vec![download::described("/ollamake/v1/blobs/{digest}", about).with("digest", "`sha256:` and 64 digits")]
}
