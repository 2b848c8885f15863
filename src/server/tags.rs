//! `/api/tags`: all models, those made last first; with those of the library if that is asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use utoipa::ToSchema;

use super::body::encoded;
use super::errors::Failure;
use super::operation::Operation;
use super::times;
use super::{Server, Shared};
use crate::library::{Details, Facts, Models};
use crate::model::{Digest, Name, go_json};
use crate::registry::Shelved;
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
    /// Not Ollama's: what the library has under this name, if that was asked for: the `same` model, an
    /// `other` one, or the model `only` it has.
    #[serde(skip_serializing_if = "str::is_empty")]
    library: &'a str,
}

/// What is asked for beside what Ollama lists.
#[derive(Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    library: bool,
}

/// What the library has under a name.
const SAME: &str = "same";
const OTHER: &str = "other";
const ONLY: &str = "only";

/// The library is asked while somebody waits.
const LONGEST_LISTING: Duration = Duration::from_secs(60);

/// `GET /api/tags`
pub(super) async fn tags(
    State(server): State<Shared>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, Failure> {
    // Ollama does not look at what stands here.
    let shelved = match wish {
        Ok(Query(Wish { library: true })) => shelved(&server).await?,
        _ => HashMap::new(),
    };
    let answer = server.blocking_with(move |server| {
        let Models { listed, damaged } = list(server)?;
        let damaged: Vec<_> = damaged.iter().filter_map(entry_of_damaged).collect();
        let (here, there) = compared(&listed, shelved);
        let entries = here.iter().map(Cow::as_ref).chain(damaged.iter().map(String::as_str));
        let entries = entries.chain(there.iter().map(String::as_str));
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
pub(super) fn list(server: &Server) -> Result<Models<String>, StoreError> {
    server.catalog.list(server.store(), server.workshop.descriptions(), entry)
}

/// The models of the library by name.
async fn shelved(server: &Shared) -> Result<HashMap<Name, Shelved>, Failure> {
    let unavailable = |reason: String| Failure::unavailable(format!("the library: {reason}"));
    let client = server.workshop.registries().map_err(|error| unavailable(error.to_string()))?.clone();
    let ask = move || {
        Handle::current().block_on(async { tokio::time::timeout(LONGEST_LISTING, client.shelved()).await })
    };
    let late = |_| unavailable(format!("it did not tell within {} s", LONGEST_LISTING.as_secs()));
    let models = server.blocking(ask).await?.map_err(late)?;
    let models = models.map_err(|error| unavailable(error.to_string()))?;
    Ok(models.into_iter().map(|model| (model.name.clone(), model)).collect())
}

/// The entries of the models that are here, marked with what the library has under their names, and those of
/// the models that only the library has, in the order of their names.
fn compared(
    listed: &[(Arc<StoredManifest>, Arc<String>)],
    mut shelved: HashMap<Name, Shelved>,
) -> (Vec<Cow<'_, str>>, Vec<String>) {
    let mut here = Vec::with_capacity(listed.len());
    for (model, entry) in listed {
        // To hash a name takes memory, and most listings ask for nothing of the library.
        let there = if shelved.is_empty() { None } else { shelved.remove(&model.name) };
        let mark = there.map(|there| {
            let is_same = there.digest == Digest::of(model.published());
            if is_same { SAME } else { OTHER }
        });
        here.push(match (mark, entry.strip_suffix('}')) {
            (Some(mark), Some(open)) => Cow::Owned(format!("{open},\"library\":\"{mark}\"}}")),
            _ => Cow::Borrowed(entry.as_str()),
        });
    }
    let mut only: Vec<Shelved> = shelved.into_values().collect();
    only.sort_by(|one, other| one.name.cmp(&other.name));
    (here, only.iter().map(entry_of_shelved).collect())
}

/// What a listing says about a model that only the library has.
fn entry_of_shelved(model: &Shelved) -> String {
    let name = model.name.short();
    go_json::to_string(&Entry {
        model: name.clone(),
        name,
        remote_model: "",
        remote_host: "",
        // Registries do not tell.
        modified_at: SystemTime::UNIX_EPOCH,
        size: model.size,
        digest: model.digest.hex(),
        details: &Details::default(),
        capabilities: &[],
        damaged: "",
        library: ONLY,
    })
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
        library: "",
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
        library: "",
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
            .asks::<bool>(
                "library",
                "whether those of the library are told too, and what it has of the others",
            )
            .answers::<Tags<'_>>(200, "The models."),
    ]
}
