//! Writing a blob.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;

use super::blob::Committed;
use super::buffers::BUFFER_SIZE;
use super::in_order::InOrder;
use super::{Shared, Store, StoreError};
use crate::model::Digest;

/// A blob under way. It hashes while it writes; nothing can be seen in the store before
/// [`commit`](Self::commit), and dropping it leaves nothing behind.
///
/// It holds up to 192 KiB of memory, and all writers of a store together not more than 12 MiB beyond that,
/// whatever the length of the blobs.
pub struct BlobWriter {
    store: Arc<Shared>,
    /// The first bytes. Blobs that fit into one buffer are hashed and written without a thread.
    first: Vec<u8>,
    /// Where longer ones go.
    stream: Option<InOrder>,
    length: u64,
    /// Bytes that were there when it began.
    present: u64,
    /// The recipe that makes it, and how many bytes are made again at most after an interruption.
    output: Option<(Digest, u64)>,
    failure: Option<io::ErrorKind>,
}

/// Where the making of a blob begins that may have been begun before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing is there.
    AtBeginning,
    /// So many bytes are there.
    After(u64),
    /// What was there is damaged, and is made anew.
    Anew,
}

impl Store {
    /// Begins a new blob.
    pub fn create_blob(&self) -> BlobWriter {
        BlobWriter::new(&self.0, None)
    }

    /// Begins the blob that a recipe makes, or goes on with it if that was interrupted. How far it has come
    /// is made durable at least every `interval` bytes and every few seconds. It outlives its process from
    /// then on, and its writer if the record of a job needs it. Nothing is answered when `goes_on` says no.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create_output(
        &self,
        recipe: Digest,
        interval: u64,
        goes_on: impl Fn() -> bool,
    ) -> Result<Option<(BlobWriter, Start)>, StoreError> {
        let store = &self.0;
        let mut start = Start::AtBeginning;
        if let Some(begun) = store.begun_output(recipe)? {
            let length = begun.length;
            let Some((partial, is_whole)) = store.go_on_with_output(recipe, interval, begun, goes_on)? else {
                return Ok(None);
            };
            if is_whole {
                let mut writer = BlobWriter::new(store, Some((recipe, interval)));
                (writer.length, writer.present) = (length, length);
                writer.stream = Some(InOrder::new(partial, length, &store.spare_buffers));
                return Ok(Some((writer, Start::After(length))));
            }
            partial.discard()?;
            start = Start::Anew;
        }
        store.remove_output(recipe)?;
        Ok(Some((BlobWriter::new(store, Some((recipe, interval))), start)))
    }
}

impl BlobWriter {
    fn new(store: &Arc<Shared>, output: Option<(Digest, u64)>) -> Self {
        let (store, first) = (store.clone(), Vec::new());
        Self { store, first, stream: None, length: 0, present: 0, output, failure: None }
    }

    /// The number of bytes that are there so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Those of them that were written by this writer.
    pub fn written(&self) -> u64 {
        self.length - self.present
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
        if let Some(stream) = self.stream.take() {
            return stream.finish()?.commit_as(expected);
        }
        let got = Digest::of(&self.first);
        if let Some(expected) = expected.filter(|digest| *digest != got) {
            return Err(StoreError::DigestMismatch { expected, got });
        }
        self.store.make_durable(self.store.place_bytes(got, &self.first)?)
    }

    /// Takes in bytes as they are, without a copy if there are many. Their memory is needed until they are
    /// written and hashed.
    ///
    /// # Errors
    /// What the operating system says. Nothing can be written any more then.
    pub fn append(&mut self, piece: &Bytes) -> io::Result<()> {
        self.attempt(piece.len(), |writer| {
            if writer.fits_first(piece.len()) {
                writer.first.extend_from_slice(piece);
                return Ok(());
            }
            writer.stream()?.append(piece)
        })
    }

    fn fits_first(&self, count: usize) -> bool {
        self.stream.is_none() && self.first.len() + count <= BUFFER_SIZE
    }

    /// Where the bytes of a blob go that is not short.
    fn stream(&mut self) -> io::Result<&mut InOrder> {
        if self.stream.is_none() {
            let partial = match self.output {
                Some((recipe, interval)) => self.store.begin_output(recipe, interval)?,
                None => self.store.begin_partial()?,
            };
            let mut stream = InOrder::new(partial, 0, &self.store.spare_buffers);
            stream.append(&Bytes::from(std::mem::take(&mut self.first)))?;
            self.stream = Some(stream);
        }
        Ok(self.stream.as_mut().expect("it was made just now"))
    }

    fn attempt(&mut self, count: usize, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        work(self).inspect_err(|error| self.failure = Some(error.kind()))?;
        self.length += count as u64;
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.attempt(bytes.len(), |writer| {
            if writer.fits_first(bytes.len()) {
                writer.first.extend_from_slice(bytes);
                return Ok(());
            }
            let (stream, mut rest) = (writer.stream()?, bytes);
            while !rest.is_empty() {
                rest = &rest[stream.write(rest)?..];
            }
            Ok(())
        })
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
