//! A model to a registry.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

use super::repository::Naming;
use super::session::Session;
use super::upload::Upload;
use super::{Awaited, Event, RegistryError, Transfer, blocking, manifest};
use crate::model::{Digest, Layer, Manifest, Name};
use crate::store::{Blob, Store, StoreError, StoredManifest};

/// So many blobs are sent at the same time.
const PARALLEL_BLOBS: usize = 3;

/// Sends a model: its blobs, then its manifest, byte for byte. `naming` says which repositories of the
/// registry the models of the store would be.
pub(super) async fn push(
    session: &Session,
    store: &Store,
    name: &Name,
    naming: Naming,
    piece: u64,
    progress: &(impl Fn(Event) + Sync),
) -> Result<Digest, RegistryError> {
    progress(Event::RetrievingManifest);
    let opened = {
        let (store, name, wanted) = (store.clone(), name.clone(), CancellationToken::new());
        let is_ollama = session.repository().is_ollama();
        let _until_dropped = wanted.clone().drop_guard();
        let _waiting = session.waits().quietly(Awaited::CheckBeforePush);
        let goes_on = move || !wanted.is_cancelled();
        blocking(move || Opened::open(&store, &name, &naming, is_ollama, goes_on)).await?
    };
    let opened = opened.inspect_err(|error| {
        if matches!(error, StoreError::ModelNotFound { .. } | StoreError::DamagedManifest { .. }) {
            progress(Event::NoManifest);
        }
    })?;
    let uploads = opened.blobs.iter().map(|blob| async {
        let (digest, total) = (blob.digest(), blob.length());
        let mount_from = opened.elsewhere.get(&digest).cloned();
        let upload = Upload::new(session, blob.clone(), mount_from, piece);
        upload.run(|completed| progress(Event::Pushing(Transfer { digest, total, completed }))).await
    });
    let uploads: Vec<_> = uploads.collect();
    stream::iter(uploads).buffer_unordered(PARALLEL_BLOBS).try_collect::<()>().await?;

    progress(Event::PushingManifest);
    let media_type = match opened.model.manifest.media_type.as_str() {
        "" => Manifest::MEDIA_TYPE,
        written => written,
    };
    let published = opened.model.published();
    let bytes = Bytes::copy_from_slice(published);
    manifest::put(session, name.tag(), media_type, bytes, "the manifest").await?;
    Ok(Digest::of(published))
}

/// A model of the store with leases on all its blobs.
struct Opened {
    model: Arc<StoredManifest>,
    blobs: Vec<Blob>,
    /// Repositories of the same registry that name a blob too.
    elsewhere: HashMap<Digest, String>,
}

impl Opened {
    /// Opens a model whose blobs are whole; `goes_on` says whether the answer is wanted still.
    fn open(
        store: &Store,
        name: &Name,
        naming: &Naming,
        is_ollama: bool,
        goes_on: impl Fn() -> bool,
    ) -> Result<Self, StoreError> {
        let model = store.manifest(name)?;
        store.ensure_parts(&model)?;
        let mut seen = HashSet::new();
        let layers = model.manifest.blobs().filter(|layer| seen.insert(layer.digest));
        let blobs: Vec<_> = layers.map(|layer| store.blob_of(layer)).collect::<Result<_, _>>()?;
        blobs.iter().try_for_each(|blob| store.ensure_whole(blob, &goes_on))?;
        let others = if is_ollama { Vec::new() } else { store.list()? };
        let elsewhere = elsewhere(name, &model.manifest, &others, naming);
        Ok(Self { model, blobs, elsewhere })
    }
}

/// Where the registry may find the blobs of a model by itself: in the repository that a layer says it was
/// taken from, or in one of the `others`.
///
/// Ollama's own registry is told of no others: every model without a host belongs to it by name, and most
/// were never there.
fn elsewhere(
    name: &Name,
    manifest: &Manifest,
    others: &[Arc<StoredManifest>],
    naming: &Naming,
) -> HashMap<Digest, String> {
    let own = naming.repository(name);
    let other = |name: &Name| naming.repository(name).filter(|repository| own.as_ref() != Some(repository));
    let mut found: HashMap<Digest, String> = HashMap::new();
    for Layer { digest, from, .. } in manifest.blobs() {
        if let Some(repository) = from.parse::<Name>().ok().and_then(|from| other(&from)) {
            found.insert(*digest, repository);
        }
    }
    for (model, repository) in others.iter().filter_map(|model| Some((model, other(&model.name)?))) {
        for layer in model.manifest.blobs() {
            found.entry(layer.digest).or_insert_with(|| repository.clone());
        }
    }
    found
}
