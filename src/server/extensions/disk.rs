//! `/ollamake/v1/store`: what the store takes, and what could go.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::library::UnreadEntry;
use crate::model::Digest;
use crate::server::Shared;
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::request::Fields;
use crate::store::{PruneOptions, PruneReport, Store, StoreError, StoredManifest, Tally};

#[derive(Serialize, ToSchema)]
#[schema(as = StoreUsage)]
struct Usage {
    /// Bytes left on the file system.
    available: u64,
    models: Vec<Model>,
    /// What is in use by jobs, in any process.
    leased: Files,
    /// What no model names; pruning removes it when it is old enough.
    unnamed: Files,
    /// What is being written.
    under_way: Files,
    /// What programs left that ended before they were done.
    left_over: Files,
    partial_downloads: Files,
    /// What was sent of uploads that are not whole yet.
    uploads: Files,
    /// Images and artifacts that were pushed here: their manifests, and the bytes of their blobs.
    guests: Files,
    /// What other programs began to download.
    foreign_downloads: Files,
    /// What was damaged and taken out.
    quarantined: Files,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ModelUsage)]
struct Model {
    model: String,
    digest: String,
    /// Bytes of all its blobs.
    size: u64,
    /// Those that other models have as well.
    shared: u64,
    /// Those that are its own: what deleting it frees.
    own: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FileTally)]
struct Files {
    files: usize,
    bytes: u64,
}

#[derive(Serialize, ToSchema)]
struct Pruned {
    dry_run: bool,
    /// Bytes that were freed, or would be.
    freed: u64,
    blobs: Vec<Blob>,
    left_over: Files,
    partial_downloads: usize,
    /// Those that have expired.
    uploads: usize,
    /// What cannot be read or understood; as long as there is anything, no blob is removed.
    unread: Vec<UnreadEntry>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PrunedBlob)]
struct Blob {
    digest: String,
    size: u64,
}

/// `GET /ollamake/v1/store`
pub(super) async fn usage(State(server): State<Shared>) -> Result<Response, Failure> {
    let store = server.store().clone();
    let answer = move || {
        let account = store.account()?;
        Ok::<_, StoreError>(json(&Usage {
            available: store.available_space()?,
            models: models(&store)?,
            leased: account.leased.into(),
            unnamed: account.unnamed.into(),
            under_way: account.under_way.into(),
            left_over: account.left_over.into(),
            partial_downloads: account.partial_downloads.into(),
            uploads: account.uploads.into(),
            guests: account.guests.into(),
            foreign_downloads: account.foreign_downloads.into(),
            quarantined: account.quarantined.into(),
        }))
    };
    Ok(server.blocking(answer).await??)
}

/// The models, and how much of each is its own.
fn models(store: &Store) -> Result<Vec<Model>, StoreError> {
    let models = store.list()?;
    let blobs: Vec<HashMap<Digest, u64>> =
        models.iter().map(|model| blobs_of(store, model)).collect::<Result<_, _>>()?;
    let mut owners: HashMap<Digest, usize> = HashMap::new();
    for digest in blobs.iter().flat_map(HashMap::keys) {
        *owners.entry(*digest).or_default() += 1;
    }
    let sum = |blobs: &HashMap<Digest, u64>, is_counted: &dyn Fn(usize) -> bool| {
        let counted = blobs.iter().filter(|(digest, _)| is_counted(owners[*digest]));
        counted.fold(0_u64, |sum, (_, size)| sum.saturating_add(*size))
    };
    let told = models.iter().zip(&blobs).map(|(model, blobs)| Model {
        model: model.name.short(),
        digest: model.digest.to_string(),
        size: sum(blobs, &|_| true),
        shared: sum(blobs, &|owners| owners > 1),
        own: sum(blobs, &|owners| owners == 1),
    });
    Ok(told.collect())
}

/// The blobs of a model that are there, each with its size.
fn blobs_of(store: &Store, model: &StoredManifest) -> Result<HashMap<Digest, u64>, StoreError> {
    let mut blobs = HashMap::new();
    for layer in model.manifest.blobs() {
        if let Some(size) = store.size(layer.digest)? {
            blobs.insert(layer.digest, size);
        }
    }
    Ok(blobs)
}

/// `POST /ollamake/v1/store/prune`
pub(super) async fn prune(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let mut fields = Fields::read_or_nothing(&server, &headers, body, "PruneRequest").await?;
    let dry_run = fields.boolean("dry_run")?.unwrap_or(false);
    let mut options = PruneOptions { dry_run, ..PruneOptions::default() };
    if let Some(seconds) = fields.value("grace_seconds")? {
        let message = || format!("grace_seconds must be a whole number of seconds, got {seconds}");
        options.grace = Duration::from_secs(seconds.as_u64().ok_or_else(|| Failure::bad_request(message()))?);
    }
    let report = server.blocking_with(move |server| server.store().prune(options)).await??;
    Ok(json(&Pruned::new(report, dry_run)))
}

impl Pruned {
    fn new(report: PruneReport, dry_run: bool) -> Self {
        let PruneReport { blobs, leftovers, partial_downloads, uploads, freed, unread, damaged: _ } = report;
        let blob = |(digest, size): (Digest, u64)| Blob { digest: digest.to_string(), size };
        Self {
            dry_run,
            freed,
            blobs: blobs.into_iter().map(blob).collect(),
            left_over: leftovers.into(),
            partial_downloads,
            uploads,
            unread: unread.iter().map(UnreadEntry::from).collect(),
        }
    }
}

impl From<Tally> for Files {
    fn from(tally: Tally) -> Self {
        Self { files: tally.files, bytes: tally.bytes }
    }
}

/// What is to be pruned.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct PruneRequest {
    /// Whether the answer is only to say what would be removed.
    dry_run: Option<bool>,
    /// The age up to which everything stays; an hour without this.
    grace_seconds: Option<u64>,
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/ollamake/v1/store", "What the store takes, and how much of each model is its own.")
            .answers::<Usage>(200, "The numbers of bytes."),
        Operation::post("/ollamake/v1/store/prune", "Removes what nothing needs.")
            .takes::<PruneRequest>(false)
            .answers::<Pruned>(200, "What was removed, or would be."),
    ]
}
