//! Blobs that a transfer brings: those that are here already, and the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::download::Download;
use super::session::Session;
use super::sharing::Downloads;
use super::{Awaited, Event, RegistryError, Transfer, blocking};
use crate::model::Digest;
use crate::store::{Blob, Store, StoreError};

/// So many blobs are fetched at the same time.
const PARALLEL_BLOBS: usize = 3;

/// What transfers of one client share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) downloads: Arc<Downloads>,
    pub(super) piece: u64,
}

/// A blob that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) digest: Digest,
    /// Its length in bytes, as whoever named it states.
    pub(super) size: u64,
    /// Where to ask for it.
    pub(super) url: Url,
}

/// Fetches the blobs that are not here, in any order. The leases keep them all.
pub(super) async fn fetch_blobs(
    session: &Arc<Session>,
    store: &Store,
    wanted: Vec<Wanted>,
    shared: &Shared,
    progress: &(impl Fn(Event) + Sync),
) -> Result<Vec<Blob>, RegistryError> {
    let plan = {
        let (store, still_wanted) = (store.clone(), CancellationToken::new());
        let goes_on = still_wanted.clone();
        let _until_dropped = still_wanted.drop_guard();
        let _waiting = session.waits().quietly(Awaited::CheckBeforePull);
        blocking(move || what_is_missing(&store, wanted, || !goes_on.is_cancelled())).await??
    };
    let blobs = plan.into_iter().map(|(wanted, blob)| async move {
        let Wanted { digest, size: total, url } = wanted;
        let report = |completed| progress(Event::Pulling(Transfer { digest, total, completed }));
        let blob = match blob {
            Some(blob) => blob,
            None => {
                let download = Download {
                    session: session.clone(),
                    digest,
                    size: total,
                    url,
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
    stream::iter(blobs).buffer_unordered(PARALLEL_BLOBS).try_collect().await
}

/// Every blob, with a lease if the store has it and it is whole; there is room for the others. `goes_on` says
/// whether the answer is wanted still.
fn what_is_missing(
    store: &Store,
    wanted: Vec<Wanted>,
    goes_on: impl Fn() -> bool,
) -> Result<Vec<(Wanted, Option<Blob>)>, StoreError> {
    let mut plan = Vec::with_capacity(wanted.len());
    let mut known = HashSet::new();
    let mut missing = 0_u64;
    for wanted in wanted {
        if !known.insert((wanted.digest, wanted.size)) {
            continue;
        }
        let blob = store.whole_blob(wanted.digest, Some(wanted.size), &goes_on)?;
        if blob.is_none() {
            let present = store.partial_length(wanted.digest);
            missing = missing.saturating_add(wanted.size.saturating_sub(present));
        }
        plan.push((wanted, blob));
    }
    store.ensure_space(missing)?;
    Ok(plan)
}
