//! A blob on its way into the store, written by a thread of its own.

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::Error;
use crate::model::Digest;
use crate::store::{Blob, PartialBlob, Store, StoreError};

/// So many pieces may wait for the disk.
const WAITING_PIECES: usize = 1;

/// Bytes in their order, and the memory that they were granted.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<Bytes>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// A blob that grows in the store, in order, hashed on the way. What has arrived stays for the next
/// attempt if it is dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    start: u64,
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<Result<Option<Blob>, StoreError>>>,
}

#[derive(Debug)]
enum Order {
    Append(Piece),
    Commit,
}

impl Incoming {
    /// Opens a blob for writing, where an earlier attempt has left it.
    pub(crate) async fn open(store: Store, digest: Digest) -> Result<Self, Error> {
        let partial = super::blocking(move || store.partial(digest)).await??;
        let start = partial.length();
        let (orders, received) = mpsc::channel(WAITING_PIECES);
        let thread = tokio::task::spawn_blocking(move || write(partial, received));
        Ok(Self { start, orders: Some(orders), thread: Some(thread) })
    }

    /// The number of bytes that are there already and verified.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Appends bytes, some time soon.
    pub(crate) async fn append(&mut self, piece: Piece) -> Result<(), Error> {
        self.order(Order::Append(piece)).await
    }

    /// Makes the blob visible, if its digest is right.
    pub(crate) async fn commit(&mut self) -> Result<Blob, Error> {
        self.order(Order::Commit).await?;
        self.close().await?.ok_or_else(stopped)
    }

    /// Ends the writing; what has arrived stays.
    pub(crate) async fn close(&mut self) -> Result<Option<Blob>, Error> {
        self.orders = None;
        match self.thread.take() {
            Some(thread) => Ok(thread.await.map_err(|_| stopped())??),
            None => Ok(None),
        }
    }

    async fn order(&mut self, order: Order) -> Result<(), Error> {
        let sent = match &self.orders {
            Some(orders) => orders.send(order).await.is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        // The thread has ended early; it knows why.
        self.close().await?;
        Err(stopped())
    }
}

fn write(mut partial: PartialBlob, mut orders: mpsc::Receiver<Order>) -> Result<Option<Blob>, StoreError> {
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Append(piece) => {
                for bytes in &piece.bytes {
                    partial.append(bytes)?;
                }
            }
            Order::Commit => return partial.commit().map(Some),
        }
    }
    Ok(None)
}

fn stopped() -> Error {
    Error::Store(std::sync::Arc::new(std::io::Error::other("the writing thread ended").into()))
}
