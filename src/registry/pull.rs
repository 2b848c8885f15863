//! A model from a registry.

use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

use super::artifact::{Artifact, Outline};
use super::download::Download;
use super::session::Session;
use super::sharing::Downloads;
use super::{Awaited, Event, RegistryError, Transfer, blocking, contents, manifest};
use crate::model::{Layer, Name};
use crate::store::{Blob, Placed, Store, StoreError};

/// So many blobs are fetched at the same time.
const PARALLEL_BLOBS: usize = 3;

/// What pulls of one client share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) downloads: Arc<Downloads>,
    pub(super) piece: u64,
}

/// What a pull has brought.
#[derive(Debug)]
pub enum Pulled {
    /// A model, which is in the store.
    Model(Placed),
    /// Files that a model is still to be made of.
    Artifact(Artifact),
}

/// Fetches a model: its manifest, the blobs that are missing, and then it appears.
pub(super) async fn pull(
    session: &Arc<Session>,
    store: &Store,
    name: &Name,
    shared: &Shared,
    progress: &(impl Fn(Event) + Sync),
) -> Result<Pulled, RegistryError> {
    progress(Event::PullingManifest);
    let bytes = manifest::fetch(session, name).await?;
    let (manifest, layers) = manifest::check(session, &bytes)?;
    let outline = Outline::of(&manifest, &bytes).map_err(|reason| manifest::invalid(session, reason))?;
    let layers = match &outline {
        Some(outline) => outline.layers(layers),
        None => layers,
    };
    let plan = {
        let (store, layers, wanted) = (store.clone(), layers.clone(), CancellationToken::new());
        let _until_dropped = wanted.clone().drop_guard();
        let _waiting = session.waits().quietly(Awaited::CheckBeforePull);
        blocking(move || what_is_missing(&store, layers, || !wanted.is_cancelled())).await??
    };
    let blobs = plan.into_iter().map(|(layer, blob)| async move {
        let (digest, total) = (layer.digest, layer.size);
        let report = |completed| progress(Event::Pulling(Transfer { digest, total, completed }));
        let blob = match blob {
            Some(blob) => blob,
            None => {
                let download = Download {
                    session: session.clone(),
                    digest,
                    size: total,
                    piece: shared.piece,
                    storage: Mutex::new(None),
                };
                shared.downloads.fetch(store, download, report).await?
            }
        };
        if blob.length() != total {
            // Another job, whose manifest told the truth, has fetched it.
            let (registry, got) = (session.registry(), blob.length().to_string());
            return Err(RegistryError::WrongSize { registry, digest, expected: total, got });
        }
        report(total);
        Ok::<Blob, RegistryError>(blob)
    });
    let blobs: Vec<_> = blobs.collect();
    // The leases keep the blobs until the manifest names them.
    let leases: Vec<Blob> = stream::iter(blobs).buffer_unordered(PARALLEL_BLOBS).try_collect().await?;

    if let Some(outline) = outline {
        progress(Event::VerifyingDigest);
        return Ok(Pulled::Artifact(outline.with(&leases)));
    }
    contents::check(session, &manifest, &leases).await?;

    progress(Event::VerifyingDigest);
    progress(Event::WritingManifest);
    let (store, name) = (store.clone(), name.clone());
    let placed = blocking(move || {
        let placed = store.put_manifest(&name, &bytes);
        drop(leases);
        placed
    });
    Ok(Pulled::Model(placed.await??))
}

/// Every layer, with a lease on its blob if the store has it and it is whole; there is room for the others.
/// `goes_on` says whether the answer is wanted still.
fn what_is_missing(
    store: &Store,
    layers: Vec<Layer>,
    goes_on: impl Fn() -> bool,
) -> Result<Vec<(Layer, Option<Blob>)>, StoreError> {
    let mut plan = Vec::with_capacity(layers.len());
    let mut missing = 0_u64;
    for layer in layers {
        let blob = store.whole_blob(layer.digest, Some(layer.size), &goes_on)?;
        if blob.is_none() {
            missing = missing.saturating_add(layer.size.saturating_sub(store.partial_length(layer.digest)));
        }
        plan.push((layer, blob));
    }
    store.ensure_space(missing)?;
    Ok(plan)
}
