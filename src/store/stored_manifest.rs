//! A manifest as it lies in the store.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use super::disk::{Disk, read_up_to};
use super::hashing::digest_of;
use super::stamp::Stamp;
use crate::model::{Digest, Manifest, ModelConfig, Name};

/// No manifest is longer: one of ten thousand layers has two million bytes.
pub(super) const LONGEST_MANIFEST: usize = 4 << 20;

/// A model of the store: its name as the store spells it, and its manifest.
#[derive(Debug)]
pub struct StoredManifest {
    /// The name, in the letter case of the store.
    pub name: Name,
    /// The file, byte for byte.
    pub bytes: Vec<u8>,
    /// The digest of the file.
    pub digest: Digest,
    /// What the file says.
    pub manifest: Manifest,
    /// When the file was written.
    pub modified: SystemTime,
    /// The configuration, once somebody asked for it.
    pub(super) config: OnceLock<Arc<ModelConfig>>,
}

/// A file where a manifest should be, but none that can be read.
#[derive(Debug, Clone)]
pub(super) struct Damage {
    pub(super) problem: String,
    /// Digests that occur in it all the same.
    pub(super) digests: Vec<Digest>,
}

impl StoredManifest {
    /// A manifest from the bytes of its file.
    pub(super) fn parse(name: Name, bytes: Vec<u8>, modified: SystemTime) -> Result<Self, Damage> {
        match Manifest::from_bytes(&bytes) {
            Ok(manifest) => {
                let digest = digest_of(&bytes);
                Ok(Self { name, digest, manifest, modified, bytes, config: OnceLock::new() })
            }
            Err(error) => {
                let problem = if bytes.is_empty() { "it is empty".into() } else { error.to_string() };
                Err(Damage { problem, digests: digests_in(&bytes) })
            }
        }
    }

    /// Reads a manifest. A file that was written to just now may be half of one, since Ollama writes in
    /// place; it is given a moment.
    pub(super) fn read(
        disk: &dyn Disk,
        path: &Path,
        name: &Name,
    ) -> io::Result<(Stamp, Result<Self, Damage>)> {
        let mut attempts = 0..5;
        loop {
            let file = disk.open(path)?;
            let metadata = file.metadata()?;
            let stamp = Stamp::from(&metadata);
            let bytes = read_up_to(disk, &file, LONGEST_MANIFEST)?;
            let manifest = Self::parse(name.clone(), bytes, metadata.modified()?);
            let half_written = manifest.is_err() && !stamp.is_settled();
            if !half_written || attempts.next().is_none() {
                return Ok((stamp, manifest));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Every digest that occurs in a text.
pub(super) fn digests_in(text: &[u8]) -> Vec<Digest> {
    const PREFIX: &[u8] = b"sha256:";
    const LENGTH: usize = PREFIX.len() + 64;
    text.windows(LENGTH)
        .filter(|window| window.starts_with(PREFIX))
        .filter_map(|window| std::str::from_utf8(window).ok()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_torn_text() {
        let hex = "0123456789abcdef".repeat(4);
        let text = format!("{{\"digest\":\"sha256:{hex}\"}},{{\"digest\":\"sha256:{}", &hex[..60]);
        assert_eq!(digests_in(text.as_bytes()), [format!("sha256:{hex}").parse().unwrap()]);
        assert_eq!(digests_in(b""), []);
    }
}
