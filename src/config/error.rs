//! What can be wrong with the configuration.

use std::io;
use std::path::{Path, PathBuf};

use crate::registry::InvalidLibrary;
use crate::registry::hub::InvalidHub;
use crate::store::StoreError;
use crate::tensor::TensorError;

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum ConfigError {
    /// A number within bounds was expected.
    #[error("{name}={value:?} is not a whole number{of} from {least} to {most}")]
    OutOfBounds {
        name: &'static str,
        value: String,
        /// What it counts, such as ` of bytes`; nothing for things.
        of: &'static str,
        least: u64,
        most: u64,
    },
    /// The processor has no such width.
    #[error("OLLAMAKE_SIMD: {0}")]
    Width(#[from] TensorError),
    /// The host ends in a port that does not exist.
    #[error("{name}={value:?} ends in an invalid port: write host:port with a number from 0 to 65535")]
    NotAPort { name: &'static str, value: String },
    /// A path that a shell should have expanded, and none has.
    #[error("{name}={value:?} is not expanded, since no shell has read it: write the path in full")]
    Unexpanded { name: &'static str, value: String },
    /// A directory that is somewhere else for every working directory.
    #[error("{name} holds {value:?}, which is not an absolute path: write the path in full")]
    NotAbsolute { name: &'static str, value: String },
    /// Something in the list is not the origin of a web page.
    #[error(
        "{name} holds {value:?}, which is not an origin: write scheme://host or scheme://host:port, \
         separated by commas"
    )]
    NotAnOrigin { name: &'static str, value: String },
    /// The Hugging Face Hub cannot be spoken with.
    #[error(transparent)]
    Hub(#[from] InvalidHub),
    /// A format of the log that does not exist.
    #[error("{name}={value:?} is not a format of the log: set it to text or json")]
    UnknownLogFormat { name: &'static str, value: String },
    /// The variable is set, but what it holds cannot be a key. A server without protection would be a
    /// surprise.
    #[error("{name} holds no key: visible ASCII characters without blanks; unset it to serve without a key")]
    NoApiKey { name: &'static str },
    /// The file with the key cannot be read.
    #[error("the file that {name} names cannot be read: {reason}")]
    UnreadableApiKey { name: &'static str, reason: io::ErrorKind },
    /// The key is given twice.
    #[error("OLLAMAKE_API_KEY and OLLAMAKE_API_KEY_FILE are both set: unset one of them")]
    TwoApiKeys,
    /// Something in the list is not a public key of Ollama's.
    #[error(
        "{name} holds {value:?}, which is not a key: write what id_ed25519.pub holds, ssh-ed25519 and the key"
    )]
    NotAnOllamaKey { name: &'static str, value: String },
    /// The library is not one registry with a path.
    #[error("{name}={value:?} is not a library: {reason}")]
    NotALibrary { name: &'static str, value: String, reason: InvalidLibrary },
    /// A setting that means nothing without a library.
    #[error("{name} is set and OLLAMAKE_LIBRARY is not: set the library, or unset {name}")]
    NoLibrary { name: &'static str },
    /// Neither `OLLAMA_MODELS` nor a home directory is set.
    #[error("no place for models: set OLLAMA_MODELS, or HOME")]
    NoModelsDirectory,
}

/// The directory of the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store in {} (OLLAMA_MODELS) cannot be opened: {}",
    path.display(),
    obstacle(path).unwrap_or_else(|| source.to_string())
)]
pub struct OpenStoreError {
    pub(super) path: PathBuf,
    pub(super) source: StoreError,
}

impl OpenStoreError {
    /// Whether there is no store, and nothing else is wrong.
    pub fn is_absence(&self) -> bool {
        matches!(self.source, StoreError::NoStore) && obstacle(&self.path).is_none()
    }
}

/// What lies in the way of a directory of the store, which the operating system tells in words that mean
/// something else.
fn obstacle(root: &Path) -> Option<String> {
    let inside = ["blobs", "manifests"].map(|name| root.join(name));
    let above: Vec<_> = root.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    above.into_iter().rev().chain(inside.iter().map(PathBuf::as_path)).find_map(|path| {
        let shown = path.display();
        match (std::fs::metadata(path), std::fs::read_link(path)) {
            (Err(_), Ok(target)) => {
                let target = target.display();
                Some(format!("{shown} is a link to {target}, which is not there: mount or make it"))
            }
            (Ok(metadata), _) if !metadata.is_dir() => Some(format!("{shown} is not a directory")),
            _ => None,
        }
    })
}
