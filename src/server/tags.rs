//! `/api/tags`: all models, those made last first.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Shared;
use super::body::encoded;
use super::catalog::{Details, Facts, Summary};
use super::errors::Failure;
use super::go_text;
use crate::model::go_json;
use crate::store::{StoreError, StoredManifest};

/// Field order: Ollama, `api/types.go` (`ListModelResponse`).
#[derive(Serialize)]
struct Entry<'a> {
    name: String,
    model: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_host: &'a str,
    #[serde(serialize_with = "go_text::time")]
    modified_at: SystemTime,
    size: u64,
    digest: String,
    details: &'a Details,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    capabilities: &'a [String],
}

/// A model and what a listing tells about it.
pub(super) type Listed = (Arc<StoredManifest>, Arc<Summary>);

/// `GET /api/tags`
pub(super) async fn tags(State(server): State<Shared>) -> Result<Response, Failure> {
    let shared = Arc::clone(&server);
    let answer = server.blocking(move || {
        let listed = list(&shared)?;
        // The entries were encoded when they were first listed; thousands of them are only joined.
        let mut answer = br#"{"models":["#.to_vec();
        for (index, (_, summary)) in listed.iter().enumerate() {
            if index > 0 {
                answer.push(b',');
            }
            answer.extend_from_slice(summary.entry.as_bytes());
        }
        answer.extend_from_slice(b"]}");
        Ok::<_, StoreError>(answer)
    });
    Ok(encoded(answer.await??))
}

/// What a listing says about a model.
pub(super) fn entry(model: &StoredManifest, facts: &Facts) -> String {
    let name = model.name.short();
    go_json::to_string(&Entry {
        model: name.clone(),
        name,
        remote_model: &facts.config.remote_model,
        remote_host: &facts.config.remote_host,
        modified_at: model.modified,
        size: model.manifest.size(),
        digest: model.digest.hex(),
        details: &facts.details,
        capabilities: &facts.capabilities,
    })
}

/// All models that can be read, those made last first. One that cannot be read does not hide the others.
pub(super) fn list(server: &Shared) -> Result<Vec<Listed>, StoreError> {
    let models = server.store().list()?;
    server.catalog.tidy(&models);
    let mut listed: Vec<Listed> = models
        .into_iter()
        .filter_map(|model| {
            let summary = server.catalog.summary(server.store(), server.workshop.descriptions(), &model);
            let summary = summary
                .inspect_err(|error| tracing::warn!(model = %model.name, %error, "a model is not listed"))
                .ok()?;
            Some((model, summary))
        })
        .collect();
    listed.sort_by_key(|(model, _)| std::cmp::Reverse(model.modified));
    Ok(listed)
}
