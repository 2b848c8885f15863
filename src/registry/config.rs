//! How a client behaves.

use std::path::PathBuf;
use std::time::Duration;

use super::hub::Hub;
use super::{Credentials, Library, Proxies, RetryPolicy};

const MIB: u64 = 1024 * 1024;

/// The usual silence that is borne at one attempt.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is configured of a client.
#[derive(Debug, Clone)]
pub struct Config {
    /// Users and passwords.
    pub credentials: Credentials,
    /// Where the Hugging Face Hub is.
    pub hub: Hub,
    /// The file of the ed25519 key for Ollama's signed challenge, usually `~/.ollama/id_ed25519`; made
    /// when it is needed and missing.
    pub signing_key: Option<PathBuf>,
    /// Root certificates in PEM, beside those of the system (or of `SSL_CERT_FILE`).
    pub certificates: Vec<Vec<u8>>,
    /// The proxies to use.
    pub proxies: Proxies,
    /// How often is tried again what may succeed later.
    pub retry: RetryPolicy,
    /// The longest silence of a registry before what was asked for is asked for again.
    pub patience: Duration,
    /// What is waited for is told when it has lasted so long, and then each time so much more has passed.
    pub notice: Duration,
    /// The length in bytes of the ranges in which blobs are fetched.
    pub download_piece: u64,
    /// The length in bytes of the pieces in which blobs are sent; a shorter blob goes in one.
    pub upload_piece: u64,
    /// The registry that this machine shares with others.
    pub library: Option<Library>,
    /// How long the library may take to tell what it remembers: somebody waits for it, and it saves work and
    /// nothing else.
    pub recall: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: Credentials::none(),
            hub: Hub::default(),
            signing_key: None,
            certificates: Vec::new(),
            proxies: Proxies::none(),
            retry: RetryPolicy::default(),
            patience: PATIENCE,
            notice: Duration::from_secs(10),
            download_piece: 16 * MIB,
            upload_piece: 64 * MIB,
            library: None,
            recall: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Bears so much silence of a registry over all attempts.
    #[must_use]
    pub fn bearing_silence(mut self, longest: Duration) -> Self {
        self.retry.longest_silence = longest;
        self.patience = (longest / self.retry.attempts).max(PATIENCE.min(longest));
        self
    }
}
