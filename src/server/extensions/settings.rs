//! `/ollamake/v1/settings`: what the operator has set, as far as it may be told.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Setting;
use crate::server::body::json;
use crate::server::operation::Operation;
use crate::server::{OLLAMA_VERSION, Shared};

#[derive(Serialize, ToSchema)]
#[schema(as = Settings)]
struct Answer {
    /// The version of this program.
    version: &'static str,
    /// The version of Ollama whose interface it speaks.
    ollama_version: &'static str,
    /// Whether clients have to show a key.
    needs_key: bool,
    settings: Vec<Setting>,
}

/// `GET /ollamake/v1/settings`
pub(super) async fn list(State(server): State<Shared>) -> Response {
    json(&Answer {
        version: env!("CARGO_PKG_VERSION"),
        ollama_version: OLLAMA_VERSION,
        needs_key: server.config.api_key.is_some(),
        settings: server.config.settings(),
    })
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/ollamake/v1/settings", "What the operator has set, but for secrets.")
            .answers::<Answer>(200, "The settings."),
    ]
}
