//! Bodies on their way into the store.
//!
//! Three work at the same time: this task receives, a thread writes, and the store's own thread hashes. All
//! of them look at the same memory, so nothing is copied, and each can be ahead of the others by some chunks.
//! How many there are at once is bounded for each body and for all together, so that a hundred uploads are
//! cheap. Only what comes in small pieces, as browsers send it, is copied: waking two threads for each of
//! them costs more than the bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Shared;
use super::body::{BodyError, Incoming};
use super::errors::Failure;
use crate::config::{CHUNK, CHUNKS_OF_ONE_UPLOAD, SPARE_CHUNKS_OF_ONE_UPLOAD};
use crate::store::StoreError;

/// The chunks of a body, for the thread that writes them.
pub(super) struct Chunks(mpsc::UnboundedReceiver<Chunk>);

/// A channel that closes without an end means a body that was broken off, also when the task itself was.
enum Chunk {
    Bytes(Bytes),
    End,
}

/// The body was broken off.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl Chunks {
    /// The next chunk, or nothing at the end of the body.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        match self.0.blocking_recv() {
            Some(Chunk::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Chunk::End) => Ok(None),
            None => Err(BrokenOff),
        }
    }
}

/// How long we let bytes arrive when the sender is slower than we are.
const PAUSE: Duration = Duration::from_millis(1);
/// Bodies shorter than this, in bytes, are not worth a pause.
const LONG: u64 = 1 << 20;

/// A body whose small pieces are put together to chunks.
struct Gathered {
    body: Incoming,
    /// What came after the last chunk, and did not fit into it.
    ahead: Option<Result<Option<Bytes>, BodyError>>,
    received: u64,
}

impl Gathered {
    /// Pieces from this length on are chunks by themselves.
    const LARGE: usize = CHUNK / 2;

    /// The next chunk, or nothing at the end. What came before a body broke off is a chunk still.
    async fn next(&mut self, room: &Room) -> Result<Option<Bytes>, BodyError> {
        let Some(mut chunk) = self.piece().await? else { return Ok(None) };
        if chunk.len() < Self::LARGE {
            // Growing would copy again, and take more than a chunk may.
            let mut gathered = Vec::with_capacity(CHUNK);
            gathered.extend_from_slice(&chunk);
            self.gather(&mut gathered, room).await;
            chunk = gathered.into();
        }
        self.received += chunk.len() as u64;
        Ok(Some(chunk))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.body.next().await,
        }
    }

    /// Adds pieces as long as they fit.
    async fn gather(&mut self, chunk: &mut Vec<u8>, room: &Room) {
        while self.ahead.is_none() {
            if self.received >= LONG && room.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
            match self.body.next().await {
                Ok(Some(piece)) if chunk.len() + piece.len() <= CHUNK => chunk.extend_from_slice(&piece),
                other => self.ahead = Some(other),
            }
        }
    }
}

/// A chunk, and the place in memory that it takes until it is written and hashed.
struct Placed {
    bytes: Bytes,
    _place: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// How much memory a body may take.
struct Room {
    own: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
    /// What all bodies share.
    spare: Arc<Semaphore>,
}

impl Room {
    fn new(server: &Shared) -> Self {
        Self {
            own: Arc::new(Semaphore::new(CHUNKS_OF_ONE_UPLOAD)),
            ahead: Arc::new(Semaphore::new(SPARE_CHUNKS_OF_ONE_UPLOAD)),
            spare: server.spare_chunks.clone(),
        }
    }

    /// Whether the only place that is taken is that of the chunk that is coming.
    fn is_empty(&self) -> bool {
        self.own.available_permits() + 1 >= CHUNKS_OF_ONE_UPLOAD
    }

    /// A place for one chunk.
    async fn place(&self) -> (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>) {
        if let Ok(own) = self.own.clone().try_acquire_owned() {
            return (own, None);
        }
        if let Ok(ahead) = self.ahead.clone().try_acquire_owned()
            && let Ok(spare) = self.spare.clone().try_acquire_owned()
        {
            return (ahead, Some(spare));
        }
        (self.own.clone().acquire_owned().await.expect("nobody closes it"), None)
    }
}

/// How a protocol tells what went wrong.
pub(super) trait Refused: From<StoreError> + From<Failure> {}

impl<E: From<StoreError> + From<Failure>> Refused for E {}

/// Receives a body of at most `limit` bytes while `write` writes it on a thread of its own, which answers
/// with nothing if the body had no end. Why the body was not received whole, if it was not, is told in place
/// of what became of the writing.
pub(super) async fn receive_at_most<T: Send + 'static, E: Refused>(
    server: &Shared,
    body: Incoming,
    limit: u64,
    too_long: impl FnOnce() -> E,
    write: impl FnOnce(Chunks) -> Result<Option<T>, StoreError> + Send + 'static,
) -> Result<T, E> {
    let room = Room::new(server);
    let (sender, receiver) = mpsc::unbounded_channel();
    let span = tracing::Span::current();
    let writing = tokio::task::spawn_blocking(move || span.in_scope(|| write(Chunks(receiver))));
    let mut body = Gathered { body, ahead: None, received: 0 };
    let ended = loop {
        let place = room.place().await;
        match body.next(&room).await {
            Ok(Some(bytes)) => {
                if body.received > limit {
                    break Err(too_long());
                }
                let bytes = Bytes::from_owner(Placed { bytes, _place: place });
                // Nobody receives any more when writing has failed; its error tells why.
                if sender.send(Chunk::Bytes(bytes)).is_err() {
                    break Ok(());
                }
            }
            Ok(None) => {
                let _ = sender.send(Chunk::End);
                break Ok(());
            }
            Err(error) => break Err(Failure::from(error).into()),
        }
    };
    drop(sender);
    server.metrics.uploaded(body.received);
    let written = writing.await.map_err(|_| Failure::internal("the upload failed; see the server's log"))?;
    body.body.discard_rest();
    ended?;
    written?.ok_or_else(|| Failure::from(BodyError::Broken).into())
}
