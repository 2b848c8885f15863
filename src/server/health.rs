//! `/healthz`: whether the server lives, for whoever watches over it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::json as answer;
use super::errors::Failure;
use super::operation::Operation;
use super::{Server, Shared};
use crate::store::Store;

/// Open to those without a key.
pub(super) const PATH: &str = "/healthz";

/// A disk that takes longer hangs. Whoever watches gives up after about twice as long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the server can work.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok` from whoever answers.
    status: &'static str,
    /// `writable`, or what is wrong with the store.
    store: String,
}

/// `GET /healthz`. A server whose store cannot be written to lives and answers all the same; what is wrong
/// with the store stands beside that.
pub(super) async fn health(State(server): State<Shared>) -> Result<Response, Failure> {
    let store = match ask_disk(&server, Store::check_writable).await? {
        Some(Ok(())) => "writable".to_owned(),
        Some(Err(error)) => error.to_string(),
        None => format!("the disk does not answer within {} s", PATIENCE.as_secs()),
    };
    Ok(answer(&Health { status: "ok", store }))
}

/// What the store says when asked a question, or nothing if its disk hangs.
pub(super) async fn ask_disk<T: Send + 'static>(
    server: &Server,
    question: impl FnOnce(&Store) -> T + Send + 'static,
) -> Result<Option<T>, Failure> {
    let ask = async {
        // A disk that hangs holds one thread, however often it is asked.
        let alone = Arc::clone(&server.disk_watch).lock_owned().await;
        let store = server.store().clone();
        server.blocking(move || (question(&store), alone).0).await
    };
    tokio::time::timeout(PATIENCE, ask).await.ok().transpose()
}

/// What is described of this, and of the small questions that clients ask first.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/", "Whether a server is there.")
            .answers_text(200, "A server is there.")
            .answers_nothing(302, "Browsers are sent to the page."),
        Operation::read(PATH, "Whether the server lives, and whether its store can be written to.")
            .answers::<Health>(200, "The server lives.")
            .open(),
    ]
}
