//! `/healthz`: whether the server lives, for whoever watches over it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::Shared;
use super::body::json as answer;
use super::errors::Failure;

/// Open to those without a key.
pub(super) const PATH: &str = "/healthz";

/// A disk that takes longer hangs. Whoever watches gives up after about twice as long.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`. A server whose store cannot be written to lives and answers all the same; what is wrong with
/// the store stands beside that.
pub(super) async fn health(State(server): State<Shared>) -> Result<Response, Failure> {
    let look = async {
        // A disk that hangs holds one thread, however often it is asked.
        let alone = Arc::clone(&server.probe).lock_owned().await;
        let store = server.store().clone();
        server.blocking(move || (store.check_writable(), alone).0).await
    };
    let store = match tokio::time::timeout(PATIENCE, look).await {
        Ok(looked) => looked?.map_or_else(|error| error.to_string(), |()| "writable".to_owned()),
        Err(_) => format!("the disk does not answer within {} s", PATIENCE.as_secs()),
    };
    Ok(answer(&json!({"status": "ok", "store": store})))
}
