//! A model from a registry.

use std::sync::Arc;

use super::artifact::{Artifact, Outline};
use super::blobs::{Shared, Wanted, fetch_blobs};
use super::session::Session;
use super::{Event, RegistryError, blocking, manifest};
use crate::model::Name;
use crate::store::{Placed, Store, StoreError};

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
    take(session, store, name, bytes, shared, progress).await
}

/// The same of a model whose manifest was fetched.
pub(super) async fn take(
    session: &Arc<Session>,
    store: &Store,
    name: &Name,
    bytes: Vec<u8>,
    shared: &Shared,
    progress: &(impl Fn(Event) + Sync),
) -> Result<Pulled, RegistryError> {
    let (manifest, layers) = manifest::check(session, &bytes)?;
    let outline = Outline::of(&manifest, &bytes).map_err(|reason| manifest::invalid(session, reason))?;
    let layers = match &outline {
        Some(outline) => outline.layers(layers),
        None => layers,
    };
    let wanted = layers.into_iter().map(|layer| Wanted {
        digest: layer.digest,
        size: layer.size,
        url: session.repository().blob(&layer.digest),
    });
    // The leases keep the blobs until the manifest names them.
    let leases = fetch_blobs(session, store, wanted.collect(), shared, progress).await?;

    if let Some(outline) = outline {
        progress(Event::VerifyingDigest);
        return Ok(Pulled::Artifact(outline.with(&leases)));
    }
    let (checking, leases) = (store.clone(), Arc::new(leases));
    let read = Arc::clone(&leases);
    let readable = blocking(move || checking.ensure_readable(&manifest, &read)).await?;
    readable.map_err(|error| match error {
        StoreError::InvalidManifest { problem } => manifest::invalid(session, problem),
        other => other.into(),
    })?;

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
