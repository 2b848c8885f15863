//! Writing a blob.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use super::blob::Committed;
use super::disk::write_all_at;
use super::hashing::HashingThread;
use super::spare::Share;
use super::temporary::TemporaryFile;
use super::writeback::Writeback;
use super::{Shared, Store, StoreError};
use crate::model::Digest;

/// The unit of hashing and writing. Blobs that fit into one are hashed and written without a thread.
const BUFFER_SIZE: usize = 64 << 10;
/// Buffers that a writer always has: one being filled or written, and one being hashed.
const BUFFERS: usize = 2;

/// A blob under way. It hashes while it writes; nothing can be seen in the store before
/// [`commit`](Self::commit), and dropping it leaves nothing behind.
///
/// It holds at least 128 KiB of memory, and all writers of a store together not more than 12 MiB beyond that,
/// whatever the length of the blobs.
pub struct BlobWriter {
    store: Arc<Shared>,
    buffer: Vec<u8>,
    length: u64,
    stream: Option<Stream>,
    failure: Option<io::ErrorKind>,
}

/// What a blob of more than one buffer needs.
struct Stream {
    temporary: TemporaryFile,
    hashing: HashingThread,
    buffers: usize,
    share: Share,
    written: u64,
    writeback: Writeback,
}

impl Store {
    /// Begins a new blob.
    pub fn create_blob(&self) -> BlobWriter {
        BlobWriter::new(self.0.clone())
    }
}

impl BlobWriter {
    fn new(store: Arc<Shared>) -> Self {
        Self { store, buffer: Vec::new(), length: 0, stream: None, failure: None }
    }

    /// The number of bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Makes the blob visible: complete, verified and durable. Where the store has a blob of this digest,
    /// that one is kept.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`] if it is not the blob `expected`; a write that failed before, or now.
    /// Nothing is left in the store then.
    pub fn commit(mut self, expected: Option<Digest>) -> Result<Committed, StoreError> {
        if let Some(kind) = self.failure {
            return Err(io::Error::from(kind).into());
        }
        let verify = |got| match expected {
            Some(expected) if expected != got => Err(StoreError::DigestMismatch { expected, got }),
            _ => Ok(got),
        };
        let committed = match self.stream.is_some() {
            false => {
                let digest = verify(Digest::of(&self.buffer))?;
                self.store.place_bytes(digest, &self.buffer)?
            }
            true => {
                self.write_buffer()?;
                let Some(Stream { temporary, hashing, mut writeback, .. }) = self.stream.take() else {
                    unreachable!("a stream stays a stream");
                };
                let digest = verify(hashing.finish())?;
                self.store.place(digest, self.length, || {
                    writeback.finish()?;
                    self.store.disk.sync(temporary.file())?;
                    Ok(temporary)
                })?
            }
        };
        self.store.make_durable(committed)
    }

    /// Hands the buffer to the hashing thread and to the disk.
    fn write_buffer(&mut self) -> io::Result<()> {
        let buffer = Arc::new(mem::take(&mut self.buffer));
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(Stream::start(&self.store)?),
        };
        stream.hashing.submit(buffer.clone());
        write_all_at(&*self.store.disk, stream.temporary.file(), &buffer, stream.written)?;
        stream.written += buffer.len() as u64;
        if stream.writeback.is_due(stream.written) {
            let (disk, file) = (self.store.disk.clone(), stream.temporary.file().clone());
            stream.writeback.start(stream.written, move || disk.sync(&file))?;
        }
        drop(buffer);
        self.buffer = match stream.hashing.try_recycle() {
            Some(buffer) => buffer,
            None if stream.buffers < BUFFERS || stream.share.take() => {
                stream.buffers += 1;
                Vec::with_capacity(BUFFER_SIZE)
            }
            None => stream.hashing.recycle(),
        };
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        if self.buffer.len() == BUFFER_SIZE
            && let Err(error) = self.write_buffer()
        {
            self.failure = Some(error.kind());
            return Err(error);
        }
        let count = bytes.len().min(BUFFER_SIZE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    /// Does nothing: what has been written counts only when it is committed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BlobWriter({} bytes)", self.length)
    }
}

impl Stream {
    fn start(store: &Arc<Shared>) -> io::Result<Self> {
        Ok(Self {
            temporary: store.new_temporary()?,
            hashing: HashingThread::start()?,
            buffers: 1,
            share: Share::of(&store.spare_buffers),
            written: 0,
            writeback: Writeback::default(),
        })
    }
}
