//! The small questions that clients ask first.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::OLLAMA_VERSION;
use super::body::json;
use super::operation::Operation;

/// Which interface this is.
#[derive(Serialize, ToSchema)]
struct Version {
    /// The version of Ollama whose interface it is.
    version: &'static str,
}

/// Whether models of the cloud can be used.
#[derive(Serialize, ToSchema)]
struct Status {
    cloud: Cloud,
}

#[derive(Serialize, ToSchema)]
struct Cloud {
    disabled: bool,
    /// Who says so.
    source: &'static str,
}

/// The models that run.
#[derive(Serialize, ToSchema)]
struct Running {
    /// Always none: this server runs no models.
    #[schema(value_type = Vec<Object>)]
    models: [(); 0],
}

/// `GET /api/version`
pub(super) async fn version() -> Response {
    json(&Version { version: OLLAMA_VERSION })
}

/// `GET /api/status`
pub(super) async fn status() -> Response {
    // There is nothing in the cloud for a server that runs no models.
    json(&Status { cloud: Cloud { disabled: true, source: "env" } })
}

/// `GET /api/ps`
pub(super) async fn running() -> Response {
    json(&Running { models: [] })
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/api/version", "The version of Ollama whose interface this is.")
            .answers::<Version>(200, "The version."),
        Operation::get("/api/status", "Whether models of the cloud can be used: they cannot.")
            .answers::<Status>(200, "What can be used."),
        Operation::get("/api/ps", "The models that run: none, since this server runs none.")
            .answers::<Running>(200, "No models."),
    ]
}
