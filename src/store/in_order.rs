//! Bytes that come in order.

use std::io;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::buffers::{BUFFER_SIZE, Buffers, SpareBuffers};
use super::partial::Partial;

/// Brings bytes in order into a partial file, which hashes them while it writes.
pub(super) struct InOrder {
    partial: Partial,
    buffers: Buffers,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    start: u64,
}

impl InOrder {
    /// Goes on at `start`.
    pub(super) fn new(partial: Partial, start: u64, spare: &Arc<SpareBuffers>) -> Self {
        Self { partial, buffers: Buffers::of(spare), buffer: Vec::new(), start }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Takes a copy of some of the bytes, so that they are hashed and written in pieces of one length.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == BUFFER_SIZE {
            self.write_buffer()?;
        }
        if self.buffer.capacity() == 0 {
            self.buffer = self.buffers.take();
        }
        let count = bytes.len().min(BUFFER_SIZE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Takes the bytes as they are. Their memory is needed until they are written and hashed.
    pub(super) fn append(&mut self, piece: &Bytes) -> io::Result<()> {
        self.write_buffer()?;
        if piece.is_empty() { Ok(()) } else { self.write_next(piece) }
    }

    /// The partial file with all bytes.
    pub(super) fn finish(mut self) -> io::Result<Partial> {
        self.write_buffer()?;
        Ok(self.partial)
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let buffer = mem::take(&mut self.buffer);
        if buffer.is_empty() { Ok(()) } else { self.write_next(&self.buffers.lend(buffer)) }
    }

    fn write_next(&mut self, piece: &Bytes) -> io::Result<()> {
        self.partial.write_next(self.start, piece)?;
        self.start += piece.len() as u64;
        Ok(())
    }
}
