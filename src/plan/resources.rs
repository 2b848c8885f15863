//! What an execution may use.

use std::num::NonZeroUsize;

/// What an execution may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Threads that evaluate; the calling thread writes.
    pub threads: NonZeroUsize,
    /// Bytes of memory for the chunks under way, whatever the model and however many files are made of it at
    /// once. What sources have to fetch comes on top.
    pub memory: usize,
}

impl Default for Resources {
    /// All cores, 192 MiB.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, memory: 192 << 20 }
    }
}
