//! Hashing beside the writing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// A thread that hashes buffers in the order in which they come, and gives each back for reuse.
pub(super) struct HashingThread {
    full: Sender<Arc<Vec<u8>>>,
    returned: Receiver<Arc<Vec<u8>>>,
    thread: JoinHandle<Digest>,
}

impl HashingThread {
    pub(super) fn start() -> std::io::Result<Self> {
        let (full, incoming) = channel::<Arc<Vec<u8>>>();
        let (outgoing, returned) = channel();
        let thread = thread::Builder::new().name("hashing".into()).stack_size(64 << 10).spawn(move || {
            let mut hasher = Sha256::new();
            for buffer in incoming {
                hasher.update(buffer.as_slice());
                // Nobody waits for the last buffers of a blob.
                let _ = outgoing.send(buffer);
            }
            Digest::from_bytes(hasher.finalize().into())
        })?;
        Ok(Self { full, returned, thread })
    }

    /// Hashes the next buffer, some time.
    pub(super) fn submit(&self, buffer: Arc<Vec<u8>>) {
        // The thread takes buffers until the sender is gone, so there is always a receiver.
        let _ = self.full.send(buffer);
    }

    /// Waits for a buffer that has been hashed; it is empty, its capacity kept.
    pub(super) fn recycle(&self) -> Vec<u8> {
        let buffer = self.returned.recv().ok().and_then(Arc::into_inner);
        let mut buffer = buffer.unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// The digest of everything submitted.
    pub(super) fn finish(self) -> Digest {
        drop(self.full);
        match self.thread.join() {
            Ok(digest) => digest,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The digest of bytes in memory.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
