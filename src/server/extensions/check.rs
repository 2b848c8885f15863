//! `/ollamake/v1/store/fsck`: whether the store is whole.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::library::Checked;
use crate::server::Shared;
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::request::Fields;
use crate::store::StoreError;

/// `POST /ollamake/v1/store/fsck`. It reads all blobs, unless only the lengths are to be looked at, and ends
/// when the client goes away.
pub(super) async fn check(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let mut fields = Fields::read_or_nothing(&server, &headers, body, "CheckRequest").await?;
    let contents = fields.boolean("contents")?.unwrap_or(true);
    let repair = fields.boolean("repair")?.unwrap_or(false);
    let Ok(alone) = Arc::clone(&server.checks).try_acquire_owned() else {
        return Err(Failure::unavailable("the store is being checked already; wait for the end of that"));
    };
    let store = server.store().clone();
    let (stop, hurry) = (CancellationToken::new(), server.hurry.clone());
    let watch = stop.clone().drop_guard();
    let work = move || {
        let _alone = alone;
        let report = store.check_while(contents, |_| !stop.is_cancelled() && !hurry.is_cancelled())?;
        let repaired = if repair { store.repair(&report)? } else { Vec::new() };
        Ok::<_, StoreError>(Checked::new(&report, &repaired))
    };
    let checked = server.blocking(work).await?;
    drop(watch);
    if server.hurry.is_cancelled() {
        return Err(Failure::unavailable("the server ends"));
    }
    Ok(json(&checked?))
}

/// What is to be checked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct CheckRequest {
    /// Whether blobs are read (as without it), or only their lengths looked at.
    contents: Option<bool>,
    /// Whether damaged blobs are taken out of the store.
    repair: Option<bool>,
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/ollamake/v1/store/fsck", "Looks whether every blob and every model is whole.")
            .takes::<CheckRequest>(false)
            .answers::<Checked>(200, "What was found."),
    ]
}
