//! `/api/tags`: all models, those made last first.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::body::encoded;
use super::errors::Failure;
use super::operation::Operation;
use super::times;
use crate::library::{Details, Facts, Models};
use crate::model::go_json;
use crate::store::{DamagedModel, StoreError, StoredManifest};

/// Field order: Ollama, `api/types.go` (`ListModelResponse`).
#[derive(Serialize, ToSchema)]
#[schema(as = ListedModel)]
struct Entry<'a> {
    name: String,
    model: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_host: &'a str,
    #[serde(serialize_with = "times::time")]
    #[schema(value_type = String, format = DateTime)]
    modified_at: SystemTime,
    size: u64,
    digest: String,
    details: &'a Details,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    capabilities: &'a [String],
    /// Not Ollama's: why the model cannot be used.
    #[serde(skip_serializing_if = "str::is_empty")]
    damaged: &'a str,
}

/// `GET /api/tags`
pub(super) async fn tags(State(server): State<Shared>) -> Result<Response, Failure> {
    let shared = Arc::clone(&server);
    let answer = server.blocking(move || {
        let Models { listed, damaged } = list(&shared)?;
        let damaged: Vec<_> = damaged.iter().filter_map(entry_of_damaged).collect();
        let entries =
            listed.iter().map(|(_, entry)| entry.as_str()).chain(damaged.iter().map(String::as_str));
        // The entries were encoded when they were first listed; thousands of them are only joined.
        let mut answer = br#"{"models":["#.to_vec();
        for (index, entry) in entries.enumerate() {
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

/// All models, with the entries of those whose manifests can be read.
pub(super) fn list(server: &Shared) -> Result<Models<String>, StoreError> {
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
        size: model.size,
        digest: model.digest.hex(),
        details: &facts.details,
        capabilities: &facts.capabilities,
        damaged: facts.damage.as_deref().unwrap_or_default(),
    })
}

/// What a listing says about a model whose manifest cannot be used. Clients cut the digest, so one has to be
/// there.
fn entry_of_damaged(model: &DamagedModel) -> Option<String> {
    let name = model.name.short();
    Some(go_json::to_string(&Entry {
        model: name.clone(),
        name,
        remote_model: "",
        remote_host: "",
        modified_at: model.modified?,
        size: 0,
        digest: model.digest?.hex(),
        details: &Details::default(),
        capabilities: &[],
        damaged: &model.problem,
    }))
}

/// The models. Its entries are encoded one by one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says how the entries are joined")]
struct Tags<'a> {
    models: Vec<Entry<'a>>,
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/api/tags", "All models, those made last first.")
            .answers::<Tags<'_>>(200, "The models."),
    ]
}
