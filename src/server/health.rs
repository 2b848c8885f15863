//! `/healthz`: whether the server lives, for whoever watches over it.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::Shared;
use super::body::json as answer;
use super::errors::Failure;

/// Open to those without a key.
pub(super) const PATH: &str = "/healthz";

/// `GET /healthz`. A server whose store cannot be written to lives and answers all the same; what is wrong with
/// the store stands beside that.
pub(super) async fn health(State(server): State<Shared>) -> Result<Response, Failure> {
    let store = server.store().clone();
    let store = match server.blocking(move || store.check_writable()).await? {
        Ok(()) => "writable".to_owned(),
        Err(error) => error.to_string(),
    };
    Ok(answer(&json!({"status": "ok", "store": store})))
}
