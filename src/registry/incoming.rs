//! A blob on its way into the store.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::{Error, blocking, defect};
use crate::model::Digest;
use crate::store::{Blob, Partial, Store, StoreError};

/// So many bytes are handed to a writing thread at once.
const LOT: usize = 512 * 1024;

/// A partial blob of the store, and the writes to it that are under way.
#[derive(Debug)]
pub(crate) struct Incoming {
    partial: Arc<Partial>,
    writes: TaskTracker,
}

impl Incoming {
    /// Begins a blob, or goes on where an earlier attempt has left it.
    pub(crate) async fn open(store: Store, digest: Digest, size: u64) -> Result<Self, Error> {
        let partial = Arc::new(blocking(move || store.partial(digest, size)).await??);
        Ok(Self { partial, writes: TaskTracker::new() })
    }

    /// The number of bytes that are there.
    pub(crate) fn received(&self) -> u64 {
        self.partial.received()
    }

    /// The ranges that are missing, in pieces of at most `piece` bytes.
    pub(crate) fn missing(&self, piece: u64) -> Vec<Range<u64>> {
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
    pub(crate) fn writer(&self, position: u64) -> Writer<'_> {
        Writer { incoming: self, position, lot: Vec::new(), lot_size: 0, pending: None }
    }

    /// Makes the blob visible, if its digest is right.
    pub(crate) async fn commit(self) -> Result<Blob, Error> {
        let partial = self.settle().await?;
        Ok(blocking(move || partial.commit()).await??.blob)
    }

    /// Ends the work; what has arrived stays for the next attempt, if it is to be kept.
    pub(crate) async fn close(self, keep: bool) -> Result<(), Error> {
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

    async fn settle(self) -> Result<Partial, Error> {
        self.writes.close();
        self.writes.wait().await;
        Arc::into_inner(self.partial)
            .ok_or_else(|| StoreError::from(std::io::Error::other("still written")).into())
    }
}

/// Takes in consecutive bytes. The next ones are gathered while the last ones are written.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    incoming: &'a Incoming,
    position: u64,
    lot: Vec<Bytes>,
    lot_size: usize,
    pending: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Writer<'_> {
    /// The end of the bytes that were taken in.
    pub(crate) fn position(&self) -> u64 {
        self.position + self.lot_size as u64
    }

    /// Takes the next bytes in.
    pub(crate) async fn append(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.lot_size += bytes.len();
        self.lot.push(bytes);
        if self.lot_size >= LOT { self.write().await } else { Ok(()) }
    }

    /// Waits until all bytes are written.
    pub(crate) async fn finish(&mut self) -> Result<(), Error> {
        self.write().await?;
        self.settle().await
    }

    async fn write(&mut self) -> Result<(), Error> {
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

    async fn settle(&mut self) -> Result<(), Error> {
        if let Some(pending) = self.pending.take() {
            pending.await.map_err(defect)??;
        }
        Ok(())
    }
}
