//! HTTP, and the only room that knows it: Ollama's interface for making and keeping models.
//!
//! [`router`] is the whole interface as a service that can be driven in process; [`serve`] puts it behind a
//! socket. What a route answers, to the header and the letter, is Ollama's (recorded conversations are
//! replayed by the tests), save where we do better on purpose.

mod access;
mod blobs;
mod body;
mod capabilities;
mod catalog;
mod config;
mod copy_delete;
mod create;
mod errors;
mod go_json_errors;
mod go_text;
mod inference;
mod openai;
mod pull_push;
mod request;
mod routes;
mod serve;
mod show;
mod show_modelfile;
mod stream;
mod tags;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use access::LocalAddress;
pub use config::{Config, ConfigError, Host, Limits, LogLevel};
pub use routes::router;
pub use serve::{serve, shutdown_signal};

use crate::create::Workshop;
use crate::store::Store;
use catalog::Catalog;
use errors::Failure;

/// The version of Ollama whose interface this is; clients ask for it to know what they may use.
pub const OLLAMA_VERSION: &str = "0.33.0";

/// Uploads that are received at once; each takes a thread and less than half a megabyte.
const UPLOADS: usize = 256;

/// What all requests share.
#[derive(Debug)]
pub struct Server {
    config: Config,
    workshop: Workshop,
    catalog: Catalog,
    heavy_jobs: Arc<Semaphore>,
    uploads: Semaphore,
}

/// The state of the routes.
type Shared = Arc<Server>;

impl Server {
    /// A server on a store.
    pub fn new(config: Config, store: Store) -> Arc<Self> {
        Arc::new(Self {
            workshop: Workshop::new(store, config.registry.clone(), config.prune),
            catalog: Catalog::default(),
            heavy_jobs: Arc::new(Semaphore::new(config.limits.jobs)),
            uploads: Semaphore::new(UPLOADS),
            config,
        })
    }

    fn store(&self) -> &Store {
        self.workshop.store()
    }

    /// Runs what blocks on a thread that may.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|error| {
            tracing::error!(%error, "a request panicked");
            Failure::internal("the request failed because of a defect in the server; see its log")
        })
    }
}
