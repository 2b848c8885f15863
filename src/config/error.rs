//! What can be wrong with the configuration.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;
use crate::tensor::TensorError;

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number within bounds was expected.
    #[error("{name}={value:?} is not a whole number from {least} to {most}")]
    OutOfBounds {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// The smallest that is taken.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// The processor has no such width.
    #[error(transparent)]
    Width(#[from] TensorError),
    /// A format of the log that does not exist.
    #[error("{name}={value:?} is not a format of the log: set it to text or json")]
    UnknownLogFormat {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// The variable is set, but what it holds cannot be a key. A server without protection would be a surprise.
    #[error("{name} holds no key: visible ASCII characters without blanks; unset it to serve without a key")]
    NoApiKey {
        /// The variable.
        name: &'static str,
    },
    /// The file with the key cannot be read.
    #[error("the file that {name} names cannot be read: {reason}")]
    UnreadableApiKey {
        /// The variable.
        name: &'static str,
        /// What the operating system says.
        reason: io::ErrorKind,
    },
    /// The key is given twice.
    #[error("set either OLLAMAKE_API_KEY or OLLAMAKE_API_KEY_FILE")]
    TwoApiKeys,
    /// Neither `OLLAMA_MODELS` nor a home directory is set.
    #[error("no place for models: set OLLAMA_MODELS, or HOME")]
    NoModelsDirectory,
}

/// The directory of the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the store in {} (OLLAMA_MODELS) cannot be opened: {source}", path.display())]
pub struct OpenStoreError {
    pub(super) path: PathBuf,
    pub(super) source: StoreError,
}
