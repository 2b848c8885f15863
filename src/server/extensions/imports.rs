//! `/ollamake/v1/imports`: which files of its machine the server takes.

use std::path::Path;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::{Server, Shared};
use crate::store::ImportEntry;

#[derive(Serialize, ToSchema)]
#[schema(as = Imports)]
struct Imports {
    /// What the directory of the store is known by on its machine: a program that finds the same works on the
    /// same store.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Directories whose files a create may name as `file:///directory/file`.
    directories: Vec<String>,
}

/// What lies in a directory.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportListing)]
struct Listing {
    entries: Vec<Entry>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImportEntry)]
struct Entry {
    name: String,
    /// Its bytes, if it is a file and not a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    directory: String,
}

/// `GET /ollamake/v1/imports`
pub(super) async fn list(State(server): State<Shared>) -> Result<Response, Failure> {
    let directories = server.config.imports.paths();
    let directories = directories.iter().map(|path| path.display().to_string()).collect();
    let store = server.blocking_with(|server| server.store().identity()).await??;
    Ok(json(&Imports { store: store.map(|store| store.to_string()), directories }))
}

/// `GET /ollamake/v1/imports/entries`
pub(super) async fn entries(
    State(server): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Asked { directory }) = asked.map_err(|error| Failure::bad_request(error.body_text()))?;
    let list = move |server: &Server| server.config.imports.list(Path::new(&directory));
    let entries = server.blocking_with(list).await?.ok_or_else(|| {
        let message = "no directory that clients may name files in is called so, or it has too many entries";
        Failure::not_found(message).with_hint("the operator allows directories with OLLAMAKE_IMPORT_DIRS")
    })?;
    let entries = entries.into_iter().map(|ImportEntry { name, size }| Entry { name, size }).collect();
    Ok(json(&Listing { entries }))
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/ollamake/v1/imports", "Which files beside the server it takes.")
            .answers::<Imports>(200, "The store, and the directories that the operator allows."),
        Operation::read("/ollamake/v1/imports/entries", "What lies in a directory whose files it takes.")
            .needs::<String>("directory", "Its path: one that the operator allows, or of a directory in one.")
            .answers::<Listing>(200, "Its files and directories.")
            .fails(&[404]),
    ]
}
