//! HTTP, and the only room that serves it: Ollama's interface for making and keeping models.
//!
//! [`router`] is the whole interface as a service that can be driven in process; [`serve`] puts it behind a
//! socket. What a route answers, to the header and the letter, is Ollama's (recorded conversations are
//! replayed by the tests), save where we do better on purpose.

mod access;
mod api_key;
mod blobs;
mod body;
mod cache;
mod copy_delete;
mod create;
mod create_info;
mod create_license;
mod create_outputs;
mod create_request;
mod decode_error;
mod errors;
mod extensions;
mod headers;
mod health;
mod inference;
mod job_end;
mod json_text;
mod links;
mod memory;
mod metrics;
mod observe;
mod openai;
mod openapi;
mod operation;
mod page;
mod process;
mod pull_push;
mod receiving;
mod registry_api;
mod request;
mod resumable;
mod resume;
mod route;
mod routes;
mod scrape;
mod secret;
mod serve;
mod show;
mod signals;
mod stream;
mod surrogates;
mod tags;
mod times;
mod tokens;
mod version;
mod wording;

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

pub use access::LocalAddress;
pub use process::{StartError, embed, run};
pub use routes::router;
pub use serve::serve;

use crate::config::{Config, LONG_BODIES, PREPARATIONS, QUICK_JOBS, SPARE_CHUNKS, UPLOADS};
use crate::create::Workshop;
use crate::jobs::{Capacity, Jobs, Voice};
use crate::library::Catalog;
use crate::store::Store;
use errors::Failure;
use links::Links;
use metrics::Metrics;
use tokens::Tokens;

/// The version of Ollama whose interface this is; clients ask for it to know what they may use.
const OLLAMA_VERSION: &str = "0.33.0";

/// What all requests share.
#[derive(Debug)]
pub struct Server {
    config: Config,
    workshop: Workshop,
    /// The entries of the list of models, encoded.
    catalog: Catalog<String>,
    jobs: Jobs,
    metrics: Arc<Metrics>,
    preparations: Arc<Semaphore>,
    uploads: Semaphore,
    spare_chunks: Arc<Semaphore>,
    long_bodies: Arc<Semaphore>,
    /// Held by the one who asks the disk how it is.
    disk_watch: Arc<tokio::sync::Mutex<()>>,
    /// Held by the one who checks the whole store.
    checks: Arc<Semaphore>,
    links: Links,
    tokens: Tokens,
    /// Told when a job has ended.
    job_ended: Arc<Notify>,
    hurry: CancellationToken,
}

/// The state of the routes.
type Shared = Arc<Server>;

impl Server {
    /// A server on a store.
    pub fn new(config: Config, store: Store) -> Arc<Self> {
        let metrics = Arc::<Metrics>::default();
        let workshop = Workshop::new(store, config.registry.clone(), config.resources, config.prune)
            .with_checkpoints_every(config.checkpoint)
            .with_imports_from(config.imports.clone())
            .sharing(config.sharing);
        if let Err(error) = workshop.registries() {
            tracing::warn!(%error, "models can be neither pulled nor pushed");
        }
        let limits = &config.limits;
        let (transfer, compute, queue) = (limits.transfers, limits.jobs, limits.queue);
        let capacity = Capacity { transfer, compute, finish: QUICK_JOBS, queue };
        let counting = Arc::clone(&metrics);
        let job_ended = Arc::<Notify>::default();
        let ended = Arc::clone(&job_ended);
        let voice = Voice {
            line: wording::line,
            ended: Box::new(move |job, outcome| {
                job_end::tell(&counting, job, outcome);
                ended.notify_one();
            }),
        };
        Arc::new(Self {
            catalog: Catalog::default(),
            jobs: Jobs::new(capacity, workshop.store().clone(), voice),
            workshop,
            metrics,
            preparations: Arc::new(Semaphore::new(PREPARATIONS)),
            uploads: Semaphore::new(UPLOADS),
            spare_chunks: Arc::new(Semaphore::new(SPARE_CHUNKS)),
            long_bodies: Arc::new(Semaphore::new(LONG_BODIES)),
            disk_watch: Arc::default(),
            checks: Arc::new(Semaphore::new(1)),
            links: Links::default(),
            tokens: Tokens::default(),
            job_ended,
            hurry: CancellationToken::new(),
            config,
        })
    }

    /// Ends what is under way at once, where the server was asked to stop already.
    fn hurry(&self) {
        self.hurry.cancel();
    }

    /// What it serves.
    pub fn store(&self) -> &Store {
        self.workshop.store()
    }

    /// How it was set.
    pub fn config(&self) -> &Config {
        &self.config
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

    /// The same for what asks the server itself.
    async fn blocking_with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let server = Arc::clone(self);
        self.blocking(move || work(&server)).await
    }
}
