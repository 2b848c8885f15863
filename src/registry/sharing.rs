//! One download for all jobs that want the same blob at the same time.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Error;
use super::download::Download;
use super::incoming::Incoming;
use super::progress::INTERVAL;
use crate::model::Digest;
use crate::store::{Blob, Store};

/// The downloads that are under way.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    running: Mutex<HashMap<Digest, watch::Sender<State>>>,
}

#[derive(Debug, Clone)]
enum State {
    Running { received: u64 },
    Done(Blob),
    Failed(Error),
}

impl Downloads {
    /// The blob of a download, fetched by it or by one of the same blob that is under way; `report` is told
    /// how many bytes have arrived. When nobody waits any more the download ends, and what has arrived stays.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        store: &Store,
        download: Download,
        report: impl Fn(u64),
    ) -> Result<Blob, Error> {
        let digest = download.digest;
        let registry = download.session.registry();
        let mut download = Some(download);
        loop {
            let (mut receiver, leading) = {
                let mut running = self.running();
                match (running.get(&digest), download.take()) {
                    (Some(sender), kept) => {
                        download = kept;
                        (sender.subscribe(), false)
                    }
                    (None, Some(download)) => {
                        let (sender, receiver) = watch::channel(State::Running { received: 0 });
                        running.insert(digest, sender.clone());
                        let entry = Entry { downloads: self.clone(), digest };
                        tokio::spawn(lead(entry, sender, store.clone(), download));
                        (receiver, true)
                    }
                    (None, None) => unreachable!("only the leader gives its download away, and then returns"),
                }
            };
            let failure = loop {
                let state = receiver.borrow_and_update().clone();
                match state {
                    State::Running { received } => report(received),
                    State::Done(blob) => return Ok(blob),
                    State::Failed(error) => break error,
                }
                if receiver.changed().await.is_err() {
                    break Error::Interrupted { registry: registry.clone(), reason: "the download ended".to_owned() };
                }
            };
            // Another job's download may have failed for a reason that does not hold for this one.
            if leading {
                return Err(failure);
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Digest, watch::Sender<State>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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
    let state = match Incoming::open(store, download.digest).await {
        Err(error) => State::Failed(error),
        Ok(mut incoming) => {
            let state = run(&sender, &download, &mut incoming).await;
            // The file is free for the next attempt before anybody can begin one.
            if let Err(error) = incoming.close().await {
                tracing::warn!(%error, "what has arrived of a blob cannot be kept");
            }
            state
        }
    };
    drop(entry);
    sender.send_replace(state);
}

async fn run(sender: &watch::Sender<State>, download: &Download, incoming: &mut Incoming) -> State {
    let work = async {
        download.run(incoming).await?;
        incoming.commit().await
    };
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return match result {
                Ok(blob) => State::Done(blob),
                Err(error) => State::Failed(error),
            },
            () = sender.closed() => {
                let reason = "nobody waits for it any more".to_owned();
                return State::Failed(Error::Interrupted { registry: download.session.registry(), reason });
            }
            _ = ticks.tick() => {
                sender.send_replace(State::Running { received: download.received.load(Ordering::Relaxed) });
            }
        }
    }
}
