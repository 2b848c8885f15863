//! `/api/copy` and `/api/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::Shared;
use super::errors::Failure;
use super::request::Fields;
use crate::model::Name;
use crate::model::go_text::quoted;
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
        text.parse::<Name>()
            .map(|name| (name, text.clone()))
            .map_err(|_| Failure::bad_request(format!("{field} {} is invalid", quoted(&text))))
    };
    let (source, written) = name("source")?;
    let (destination, _) = name("destination")?;
    let workshop = server.workshop.clone();
    let copied = server
        .blocking(move || {
            let store = workshop.store();
            if store.resolve(&source)? == store.resolve(&destination)? {
                return store.manifest(&source).map(drop);
            }
            workshop.clear_replaced(&store.copy(&source, &destination)?);
            Ok(())
        })
        .await?;
    copied.map_err(|error| match error {
        StoreError::ModelNotFound { .. } => {
            Failure::not_found(format!("model {} not found", quoted(&written)))
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
    let name: Name = text
        .trim()
        .parse()
        .map_err(|_| Failure::bad_request(format!("name {} is invalid", quoted(&text))))?;
    let store = server.store().clone();
    let removed = server.blocking(move || store.remove(&name)).await?;
    removed.map_err(|error| match error {
        StoreError::ModelNotFound { .. } => Failure::not_found(format!("model '{text}' not found")),
        other => other.into(),
    })?;
    Ok(StatusCode::OK)
}
