//! The routes that run models, which this server does not.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::Shared;
use super::body::Incoming;
use super::errors::Failure;
use super::openai::{ErrorAnswer, OpenAiFailure};
use super::operation::Operation;

const MESSAGE: &str =
    "this server creates models and does not run them; run them with Ollama on the same models directory";

/// The paths of Ollama's interface that are refused.
pub(super) const PATHS: [&str; 4] = ["/api/generate", "/api/chat", "/api/embed", "/api/embeddings"];

/// The paths of OpenAI's interface that are refused.
pub(super) const OPENAI_PATHS: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/audio/transcriptions",
];

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

/// What is described of them: that there is nothing.
pub(super) fn operations() -> Vec<Operation> {
    let refusing = |path| Operation::post(path, "Refused: this server runs no models.").fails(&[501]);
    let in_openais_way = |path| refusing(path).fails_as::<ErrorAnswer<'_>>();
    PATHS.into_iter().map(refusing).chain(OPENAI_PATHS.map(in_openais_way)).collect()
}
