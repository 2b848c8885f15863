//! A model from a registry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use reqwest::header::ACCEPT;
use sha2::{Digest as _, Sha256};

use super::download::Download;
use super::session::Session;
use super::sharing::Downloads;
use super::{Error, Status, Transfer, blocking};
use crate::model::{Digest, Layer, Manifest, Name};
use crate::store::{Blob, Placed, Store, StoreError};

/// Docker's manifests and the equivalent of the Open Container Initiative.
const MEDIA_TYPES: [&str; 2] = [Manifest::MEDIA_TYPE, "application/vnd.oci.image.manifest.v1+json"];

/// The longest manifest, in bytes: registries take none longer.
const LONGEST_MANIFEST: u64 = 4 * 1024 * 1024;

/// So many blobs are fetched at the same time.
const PARALLEL_BLOBS: usize = 3;

/// What pulls of one client share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) downloads: Arc<Downloads>,
    pub(super) piece: u64,
}

/// Fetches a model: its manifest, the blobs that are missing, and then it appears.
pub(super) async fn pull(
    session: &Arc<Session>,
    store: &Store,
    name: &Name,
    shared: &Shared,
    progress: &(impl Fn(Status) + Sync),
) -> Result<Placed, Error> {
    progress(Status::PullingManifest);
    let bytes = fetch_manifest(session, name).await?;
    let layers = check_manifest(session, &bytes)?;
    let plan = blocking({
        let (store, layers) = (store.clone(), layers.clone());
        move || what_is_missing(&store, layers)
    });
    let blobs = plan.await??.into_iter().map(|(layer, blob)| async move {
        let (digest, total) = (layer.digest, layer.size);
        let report = |completed| progress(Status::Pulling(Transfer { digest, total, completed }));
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
            return Err(Error::WrongSize { registry, digest, expected: total, got });
        }
        report(total);
        Ok::<Blob, Error>(blob)
    });
    let blobs: Vec<_> = blobs.collect();
    // The leases keep the blobs until the manifest names them.
    let leases: Vec<Blob> = stream::iter(blobs).buffer_unordered(PARALLEL_BLOBS).try_collect().await?;

    progress(Status::VerifyingDigest);
    progress(Status::WritingManifest);
    let (store, name) = (store.clone(), name.clone());
    let placed = blocking(move || {
        let placed = store.put_manifest(&name, &bytes);
        drop(leases);
        placed
    });
    let placed = placed.await??;
    progress(Status::Success);
    Ok(placed)
}

async fn fetch_manifest(session: &Session, name: &Name) -> Result<Vec<u8>, Error> {
    let url = session.repository().manifest(name.tag());
    let request = session.request(Method::GET, url).header(ACCEPT, &MEDIA_TYPES.join(", "));
    let what = format!("model {}", name.short());
    let mut backoff = session.backoff();
    loop {
        let answer = session.ask(&request, &what, &[200]).await?;
        let stated = answer.response.headers().get("docker-content-digest");
        let stated = stated.and_then(|value| value.to_str().ok()?.parse::<Digest>().ok());
        match session.body(answer).read("a manifest", LONGEST_MANIFEST).await {
            Err(error) => backoff.after(error).await?,
            Ok(bytes) => {
                let got = Digest::from_bytes(Sha256::digest(&bytes).into());
                return match stated {
                    Some(expected) if expected != got => {
                        Err(Error::WrongDigest { registry: session.registry(), expected, got })
                    }
                    _ => Ok(bytes),
                };
            }
        }
    }
}

/// The blobs that a manifest names, each once.
fn check_manifest(session: &Session, bytes: &[u8]) -> Result<Vec<Layer>, Error> {
    let invalid = |reason: String| Error::InvalidManifest { registry: session.registry(), reason };
    let manifest = Manifest::from_bytes(bytes).map_err(|error| invalid(error.to_string()))?;
    if manifest.schema_version != 2 {
        return Err(invalid(format!("schemaVersion 2 expected, got {}", manifest.schema_version)));
    }
    if !manifest.media_type.is_empty() && !MEDIA_TYPES.contains(&manifest.media_type.as_str()) {
        return Err(invalid(format!("it is a {}", manifest.media_type)));
    }
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut layers = Vec::new();
    for layer in manifest.blobs() {
        match sizes.insert(layer.digest, layer.size) {
            None => layers.push(layer.clone()),
            Some(other) if other == layer.size => {}
            Some(other) => {
                let reason =
                    format!("{} has {other} bytes in one place and {} in another", layer.digest, layer.size);
                return Err(invalid(reason));
            }
        }
    }
    Ok(layers)
}

/// Every layer, with a lease on its blob if the store has it; there is room for the others.
fn what_is_missing(store: &Store, layers: Vec<Layer>) -> Result<Vec<(Layer, Option<Blob>)>, StoreError> {
    let mut plan = Vec::with_capacity(layers.len());
    let mut missing = 0_u64;
    for layer in layers {
        let blob = match store.blob(layer.digest) {
            // A shorter one is what a crash has left.
            Ok(blob) => Some(blob).filter(|blob| blob.length() == layer.size),
            Err(StoreError::BlobNotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        if blob.is_none() {
            missing = missing.saturating_add(layer.size.saturating_sub(store.begun(layer.digest)));
        }
        plan.push((layer, blob));
    }
    store.ensure_space(missing)?;
    Ok(plan)
}
