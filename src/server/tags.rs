//! `/api/tags`: all models, those made last first.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Shared;
use super::body::encoded;
use super::errors::Failure;
use super::times;
use crate::library::{Details, Facts, Listed};
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
    #[serde(serialize_with = "times::time")]
    modified_at: SystemTime,
    size: u64,
    digest: String,
    details: &'a Details,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    capabilities: &'a [String],
}

/// `GET /api/tags`
pub(super) async fn tags(State(server): State<Shared>) -> Result<Response, Failure> {
    let shared = Arc::clone(&server);
    let answer = server.blocking(move || {
        let listed = list(&shared)?;
        // The entries were encoded when they were first listed; thousands of them are only joined.
        let mut answer = br#"{"models":["#.to_vec();
        for (index, (_, entry)) in listed.iter().enumerate() {
            if index > 0 {
                answer.push(b',');
            }
            answer.extend_from_slice(entry.as_bytes());
        }
        answer.extend_from_slice(b"]}");
        Ok::<_, StoreError>(answer)
    });
    Ok(encoded(answer.await??))
}

/// All models that can be read, those made last first, with their entries.
pub(super) fn list(server: &Shared) -> Result<Vec<Listed<String>>, StoreError> {
    server.catalog.list(server.store(), server.workshop.descriptions(), entry)
}

/// What a listing says about a model.
fn entry(model: &StoredManifest, facts: &Facts) -> String {
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
