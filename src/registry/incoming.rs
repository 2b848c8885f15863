//! A blob on its way into the store.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::event::Awaited;
use super::waiting::Waits;
use super::{RegistryError, blocking, defect};
use crate::model::Digest;
use crate::store::{Blob, Partial, Store, StoreError};

/// How often it is looked whether another process is done.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// So many bytes are handed to a writing thread at once.
const LOT: usize = 512 * 1024;

/// A partial blob of the store, and the writes to it that are under way.
#[derive(Debug)]
pub(super) struct Incoming {
    partial: Arc<Partial>,
    writes: TaskTracker,
}

/// What there is of a blob that is wanted.
#[derive(Debug)]
pub(super) enum Found {
    /// All of it: another process was faster.
    Whole(Blob),
    /// Some of it, or nothing yet.
    Part(Incoming),
}

impl Incoming {
    /// Begins a blob, or goes on where an earlier attempt has left it. As long as another process fetches it,
    /// it is waited for; whatever becomes of it there, what has been fetched counts here.
    pub(super) async fn open(
        store: Store,
        digest: Digest,
        size: u64,
        waits: &Arc<Waits>,
    ) -> Result<Found, RegistryError> {
        let mut waiting = None;
        loop {
            let store = store.clone();
            if let Some(found) = blocking(move || Self::try_open(&store, digest, size)).await?? {
                return Ok(found);
            }
            waiting.get_or_insert_with(|| waits.openly(Awaited::OtherProgram(digest)));
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// As [`open`](Self::open), or nothing if another process fetches it.
    fn try_open(store: &Store, digest: Digest, size: u64) -> Result<Option<Found>, StoreError> {
        let partial = match store.partial(digest, size) {
            Ok(partial) => partial,
            Err(StoreError::Busy { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Only now nobody else can be about to finish it.
        if let Some(blob) = store.known_blob(digest, size)? {
            partial.discard()?;
            return Ok(Some(Found::Whole(blob)));
        }
        Ok(Some(Found::Part(Self { partial: Arc::new(partial), writes: TaskTracker::new() })))
    }

    /// The number of bytes that are there.
    pub(super) fn received(&self) -> u64 {
        self.partial.received()
    }

    /// The ranges that are missing, in pieces of at most `piece` bytes.
    pub(super) fn missing(&self, piece: u64) -> Vec<Range<u64>> {
        let mut pieces = Vec::new();
        for gap in self.partial.missing() {
            let mut start = gap.start;
            while start < gap.end {
                let end = start.saturating_add(piece).min(gap.end);
                pieces.push(start..end);
                start = end;
            }
        }
        pieces
    }

    /// Takes bytes in from `position` on.
    pub(super) fn writer(&self, position: u64) -> Writer<'_> {
        Writer { incoming: self, position, lot: Vec::new(), lot_size: 0, pending: None }
    }

    /// Makes the blob visible, if its digest is right.
    pub(super) async fn commit(self) -> Result<Blob, RegistryError> {
        let partial = self.settle().await?;
        Ok(blocking(move || partial.commit()).await??.blob)
    }

    /// Ends the work; what has arrived stays for the next attempt, if it is to be kept.
    pub(super) async fn close(self, keep: bool) -> Result<(), RegistryError> {
        let partial = self.settle().await?;
        let end = move || match keep {
            // Dropping it waits for the disk.
            true => {
                drop(partial);
                Ok(())
            }
            false => partial.discard(),
        };
        Ok(blocking(end).await??)
    }

    async fn settle(self) -> Result<Partial, RegistryError> {
        self.writes.close();
        self.writes.wait().await;
        Arc::into_inner(self.partial)
            .ok_or_else(|| StoreError::from(std::io::Error::other("still written")).into())
    }
}

/// Takes in consecutive bytes. The next ones are gathered while the last ones are written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    incoming: &'a Incoming,
    position: u64,
    lot: Vec<Bytes>,
    lot_size: usize,
    pending: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Writer<'_> {
    /// The end of the bytes that were taken in.
    pub(super) fn position(&self) -> u64 {
        self.position + self.lot_size as u64
    }

    /// Takes the next bytes in.
    pub(super) async fn append(&mut self, bytes: Bytes) -> Result<(), RegistryError> {
        self.lot_size += bytes.len();
        self.lot.push(bytes);
        if self.lot_size >= LOT { self.write().await } else { Ok(()) }
    }

    /// Waits until all bytes are written.
    pub(super) async fn finish(&mut self) -> Result<(), RegistryError> {
        self.write().await?;
        self.settle().await
    }

    async fn write(&mut self) -> Result<(), RegistryError> {
        self.settle().await?;
        let partial = self.incoming.partial.clone();
        let lot = std::mem::take(&mut self.lot);
        let mut offset = self.position;
        self.position += std::mem::take(&mut self.lot_size) as u64;
        self.pending = Some(self.incoming.writes.spawn_blocking(move || {
            for bytes in lot {
                partial.write_at(offset, &bytes)?;
                offset += bytes.len() as u64;
            }
            Ok(())
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), RegistryError> {
        if let Some(pending) = self.pending.take() {
            pending.await.map_err(defect)??;
        }
        Ok(())
    }
}
