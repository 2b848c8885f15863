//! What a client may demand of the server.

use std::time::Duration;

use super::error::ConfigError;
use super::setting::{Lookup, Number};
use super::variables;

/// Bounds on what a client may demand.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a JSON body.
    pub request: u64,
    /// Bytes of one uploaded blob.
    pub upload: u64,
    /// Files that one request may name.
    pub files: usize,
    /// Jobs that compute at once.
    pub jobs: usize,
    /// Jobs that pull or push at once.
    pub transfers: usize,
    /// Jobs that wait in one queue.
    pub queue: usize,
    /// Connections at once.
    pub connections: usize,
    /// How long a request's head may take to arrive, and an idle connection is kept.
    pub head: Duration,
    /// How long a body may bring hardly anything, and how long a client may not take what is sent.
    pub stall: Duration,
    /// How long an upload in several attempts may take.
    pub upload_lifetime: Duration,
    /// How long jobs may go on once the server is to stop.
    pub shutdown: Duration,
}

impl Limits {
    pub(super) fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let seconds = |setting: Number| Ok::<_, ConfigError>(Duration::from_secs(setting.read(lookup)?));
        Ok(Self {
            request: variables::MAX_REQUEST.read(lookup)?,
            upload: variables::MAX_UPLOAD.read(lookup)?,
            files: variables::MAX_FILES.read_count(lookup)?,
            jobs: variables::MAX_JOBS.read_count(lookup)?,
            transfers: variables::MAX_TRANSFERS.read_count(lookup)?,
            queue: variables::MAX_QUEUE.read_count(lookup)?,
            connections: variables::MAX_CONNECTIONS.read_count(lookup)?,
            head: seconds(variables::IDLE)?,
            stall: seconds(variables::STALL)?,
            upload_lifetime: seconds(variables::UPLOAD)?,
            shutdown: seconds(variables::SHUTDOWN)?,
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::read(&|_| None).expect("the defaults are within their bounds")
    }
}
