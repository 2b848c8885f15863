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

    /// A buffer that has been hashed, emptied, its capacity kept; nothing if there is none yet.
    pub(super) fn try_recycle(&self) -> Option<Vec<u8>> {
        self.returned.try_recv().ok().map(emptied)
    }

    /// As [`try_recycle`](Self::try_recycle), but waits until there is one.
    pub(super) fn recycle(&self) -> Vec<u8> {
        self.returned.recv().map(emptied).unwrap_or_default()
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

fn emptied(buffer: Arc<Vec<u8>>) -> Vec<u8> {
    // Whoever submitted it has finished with it.
    let mut buffer = Arc::into_inner(buffer).unwrap_or_default();
    buffer.clear();
    buffer
}
