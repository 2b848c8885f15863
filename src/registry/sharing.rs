//! One download for all jobs that want the same blob at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::RegistryError;
use super::download::Download;
use super::event::Awaited;
use super::incoming::{Found, Incoming};
use super::progress::INTERVAL;
use super::waiting::Waiting;
use crate::locked::locked;
use crate::model::Digest;
use crate::store::{Blob, Store, StoreError};

/// The downloads that are under way.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    running: Mutex<HashMap<Digest, watch::Sender<State>>>,
}

#[derive(Debug, Clone)]
enum State {
    /// It is not known yet how much was there before.
    Beginning,
    Running {
        received: u64,
    },
    Done {
        blob: Blob,
        found: u64,
    },
    Failed(RegistryError),
}

impl Downloads {
    /// The blob of a download, fetched by it or by one of the same blob that is under way; `report` is told
    /// how many bytes are there: first those that were there before. When nobody waits any more the download
    /// ends, and what has arrived stays.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        store: &Store,
        download: Download,
        report: impl Fn(u64),
    ) -> Result<Blob, RegistryError> {
        let digest = download.digest;
        let (registry, waits) = (download.session.registry(), download.session.waits().clone());
        let mut download = Some(download);
        loop {
            let (mut receiver, leading) = self.join_or_lead(store, digest, &mut download);
            // The leader's own conversation tells what it waits for.
            let waiting = (!leading).then(|| waits.quietly(Awaited::OtherPull(digest)));
            let mut before = None;
            let failure = loop {
                let state = receiver.borrow_and_update().clone();
                match state {
                    State::Beginning => {}
                    State::Running { received } => {
                        report(received);
                        if before.replace(received) != Some(received) {
                            waiting.iter().for_each(Waiting::begin_anew);
                        }
                    }
                    State::Done { blob, found } => {
                        if before.is_none() {
                            report(found);
                        }
                        return Ok(blob);
                    }
                    State::Failed(error) => break error,
                }
                if receiver.changed().await.is_err() {
                    break RegistryError::Interrupted {
                        registry: registry.clone(),
                        reason: "the download ended".to_owned(),
                    };
                }
            };
            // Another job's download may have failed for a reason that does not hold for this one.
            if leading {
                return Err(failure);
            }
        }
    }

    /// Listens to the download that is under way, or begins one; then it is ours.
    fn join_or_lead(
        self: &Arc<Self>,
        store: &Store,
        digest: Digest,
        download: &mut Option<Download>,
    ) -> (watch::Receiver<State>, bool) {
        let mut running = self.running();
        if let Some(sender) = running.get(&digest) {
            return (sender.subscribe(), false);
        }
        let (sender, receiver) = watch::channel(State::Beginning);
        if let Some(download) = download.take() {
            running.insert(digest, sender.clone());
            let entry = Entry { downloads: self.clone(), digest };
            tokio::spawn(lead(entry, sender, store.clone(), download));
        }
        (receiver, true)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Digest, watch::Sender<State>>> {
        locked(&self.running)
    }
}

/// The entry of a download in the list; it goes with it, whatever happens.
struct Entry {
    downloads: Arc<Downloads>,
    digest: Digest,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.downloads.running().remove(&self.digest);
    }
}

async fn lead(entry: Entry, sender: watch::Sender<State>, store: Store, download: Download) {
    let state = match fetch(&sender, store, &download).await {
        Ok((blob, found)) => State::Done { blob, found },
        Err(error) => State::Failed(error),
    };
    // The file is free for the next attempt before anybody can begin one.
    drop(entry);
    sender.send_replace(state);
}

/// The blob, and how many bytes of it were there before.
async fn fetch(
    sender: &watch::Sender<State>,
    store: Store,
    download: &Download,
) -> Result<(Blob, u64), RegistryError> {
    let opening = Incoming::open(store, download.digest, download.size, download.session.waits());
    let opened = tokio::select! {
        opened = opening => opened?,
        () = sender.closed() => return Err(unwanted(download)),
    };
    let incoming = match opened {
        Found::Whole(blob) => {
            let length = blob.length();
            return Ok((blob, length));
        }
        Found::Part(incoming) => incoming,
    };
    let found = incoming.received();
    sender.send_replace(State::Running { received: found });
    match while_wanted(sender, download, &incoming).await {
        Ok(()) => {
            let blob = incoming.commit().await.map_err(|error| name_registry(error, download))?;
            Ok((blob, found))
        }
        Err(error) => {
            // Of a blob of another length nothing is worth keeping.
            let keep = incoming.received() > 0 && !matches!(error, RegistryError::WrongSize { .. });
            if let Err(error) = incoming.close(keep).await {
                tracing::warn!(%error, "what has arrived of a blob cannot be kept or removed");
            }
            Err(error)
        }
    }
}

fn unwanted(download: &Download) -> RegistryError {
    let reason = "nobody waits for it any more".to_owned();
    RegistryError::Interrupted { registry: download.session.registry(), reason }
}

/// The store does not know who sent the wrong bytes.
fn name_registry(error: RegistryError, download: &Download) -> RegistryError {
    let registry = download.session.registry();
    match error {
        RegistryError::Store(cause) => match *cause {
            StoreError::DigestMismatch { expected, got } => {
                RegistryError::WrongDigest { registry, expected, got }
            }
            _ => RegistryError::Store(cause),
        },
        other => other,
    }
}

/// Downloads as long as somebody listens, and tells how far it has come.
async fn while_wanted(
    sender: &watch::Sender<State>,
    download: &Download,
    incoming: &Incoming,
) -> Result<(), RegistryError> {
    let mut work = std::pin::pin!(download.run(incoming));
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = sender.closed() => return Err(unwanted(download)),
            _ = ticks.tick() => {
                sender.send_replace(State::Running { received: incoming.received() });
            }
        }
    }
}
