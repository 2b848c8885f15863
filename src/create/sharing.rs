//! How a workshop uses the library that it shares with others.

use std::time::Duration;

/// How a workshop uses the library.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sharing {
    /// Whether everything that is made is published, unless it is said otherwise.
    pub publish: bool,
    /// How long a job waits for the library while it cannot be reached.
    pub patience: Duration,
    /// The bytes that the store may take as a cache of the library.
    pub cache: Option<u64>,
}
