//! The routes that run models, which this server does not.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::Shared;
use super::body::Incoming;
use super::errors::Failure;
use super::openai::OpenAiFailure;

const MESSAGE: &str =
    "this server creates models and does not run them; run them with Ollama on the same models directory";

/// `/api/generate` and its kin.
pub(super) async fn refuse(State(server): State<Shared>, body: Body) -> impl IntoResponse {
    Incoming::new(body, server.config.limits.stall).discard_rest();
    Failure::new(StatusCode::NOT_IMPLEMENTED, MESSAGE)
}

/// `/v1/chat/completions` and its kin.
pub(super) async fn refuse_openai(State(server): State<Shared>, body: Body) -> impl IntoResponse {
    Incoming::new(body, server.config.limits.stall).discard_rest();
    OpenAiFailure(Failure::new(StatusCode::NOT_IMPLEMENTED, MESSAGE))
}
