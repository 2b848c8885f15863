//! `/api/copy` and `/api/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa::ToSchema;

use super::Shared;
use super::errors::Failure;
use super::operation::Operation;
use super::request::Fields;
use crate::model::go_text::quoted;
use crate::model::{Name, Reference};
use crate::store::StoreError;

/// `POST /api/copy`
pub(super) async fn copy(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Failure> {
    let mut fields = Fields::read(&server, &headers, body, "CopyRequest").await?;
    let mut name = |field: &str| {
        let text = fields.string(field)?;
        let invalid = Failure::bad_request(format!("{field} {} is invalid", quoted(&text)));
        let parsed = text.parse::<Reference>();
        parsed.map(|reference| (reference, text)).map_err(|error| invalid.with_hint(error.hint()))
    };
    let (source, written) = name("source")?;
    let (destination, text) = name("destination")?;
    let Reference::Name(destination) = destination else {
        let invalid = Failure::bad_request(format!("destination {} is invalid", quoted(&text)));
        return Err(invalid.with_hint("give the copy a name; a digest cannot be given"));
    };
    let workshop = server.workshop.clone();
    let copied = server
        .blocking(move || {
            let store = workshop.store();
            workshop.clear_replaced(&store.copy_of(&source, &destination)?);
            Ok(())
        })
        .await?;
    copied.map_err(|error| match error {
        StoreError::ModelNotFound { .. } => {
            Failure::no_model(format!("model {} not found", quoted(&written)))
        }
        other => other.into(),
    })?;
    Ok(StatusCode::OK)
}

/// `DELETE /api/delete`
pub(super) async fn delete(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Failure> {
    let text = Fields::read(&server, &headers, body, "DeleteRequest").await?.model()?;
    if text.trim().is_empty() {
        return Err(Failure::bad_request("model is required"));
    }
    let name = text.trim().parse::<Name>().map_err(|error| {
        Failure::bad_request(format!("name {} is invalid", quoted(&text))).with_hint(error.hint())
    })?;
    let removed = server.blocking_with(move |server| server.store().remove(&name)).await?;
    removed.map_err(|error| match error {
        StoreError::ModelNotFound { .. } => Failure::no_model(format!("model '{text}' not found")),
        other => other.into(),
    })?;
    Ok(StatusCode::OK)
}

/// Which model is copied.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct CopyRequest {
    /// The name of a model.
    source: String,
    /// What the copy is called.
    destination: String,
}

/// Which model is deleted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct DeleteRequest {
    /// The name of a model.
    model: String,
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/api/copy", "Gives a model a second name.")
            .takes::<CopyRequest>(true)
            .answers_nothing(200, "The model has both names.")
            .fails(&[404, 507]),
        Operation::delete("/api/delete", "Removes a model.")
            .takes::<DeleteRequest>(true)
            .answers_nothing(200, "The model has been removed.")
            .fails(&[404]),
    ]
}
