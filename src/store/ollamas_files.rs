//! What other versions of Ollama leave among the blobs.
//!
//! Its downloads are files `sha256-<hex>-partial`, beside which lies `sha256-<hex>-partial-<number>` for each
//! part (`server/download.go`); it removes them only when it finishes or prunes by itself. Old versions named
//! blobs with a colon, `sha256:<hex>`, which newer ones rename when they start (`server/fixblobs.go`).

use std::io;

use super::disk::ignore_absence;
use super::prune::is_old;
use super::{PruneOptions, PruneReport, Shared, Tally};
use crate::model::Digest;

/// What follows the name of a blob in the name of a download.
const PARTIAL: &str = "-partial";

/// Files among the blobs that are Ollama's alone.
#[derive(Debug, Default)]
pub(super) struct OllamasFiles {
    /// Parts of Ollama's own downloads that were not finished.
    pub(super) partial: Tally,
    /// Blobs under the names of old versions.
    pub(super) old_names: Tally,
}

impl Shared {
    /// Gives blobs with names of old versions of Ollama their new ones, unless those are taken.
    pub(super) fn rename_old_blobs(&self) -> io::Result<()> {
        for name in self.list_or_nothing(self.layout.blobs())? {
            let Some(digest) = digest_of_old_name(&name) else { continue };
            match self.disk.rename_new(&self.layout.blobs().join(&name), &self.layout.blob(digest)) {
                Ok(()) => self.blobs_directory.changed(),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.sync_blobs()
    }

    /// Removes what is left of Ollama's downloads on which nobody has worked for a while.
    pub(super) fn prune_ollamas_downloads(
        &self,
        options: PruneOptions,
        report: &mut PruneReport,
    ) -> io::Result<()> {
        for name in self.list_or_nothing(self.layout.blobs())?.iter().filter(|name| is_download(name)) {
            let path = self.layout.blobs().join(name);
            let Ok(metadata) = self.disk.metadata(&path) else { continue };
            if !metadata.is_file() || !is_old(&metadata, options.grace) {
                continue;
            }
            if options.dry_run || ignore_absence(self.disk.remove(&path))? {
                report.partial_downloads += 1;
                report.freed += metadata.len();
            }
        }
        Ok(())
    }

    /// Counts the files of Ollama's that are no blobs, or not yet.
    pub(super) fn ollamas_files(&self) -> io::Result<OllamasFiles> {
        let mut found = OllamasFiles::default();
        for name in self.list_or_nothing(self.layout.blobs())? {
            let tally = if is_download(&name) {
                &mut found.partial
            } else if has_old_name(&name) {
                &mut found.old_names
            } else {
                continue;
            };
            if let Ok(metadata) = self.disk.metadata(&self.layout.blobs().join(&name)) {
                tally.add(metadata.len());
            }
        }
        Ok(found)
    }
}

fn is_download(name: &str) -> bool {
    let Some((blob, rest)) = name.split_once(PARTIAL) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_part = rest.is_empty() || rest.strip_prefix('-').is_some_and(is_number);
    is_part && blob.parse().is_ok_and(|digest: Digest| blob == digest.file_name() || has_old_name(blob))
}

fn digest_of_old_name(name: &str) -> Option<Digest> {
    name.parse().ok().filter(|_| name.contains(':'))
}

/// Whether a blob has a name that an old version has given it.
pub(super) fn has_old_name(name: &str) -> bool {
    digest_of_old_name(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let hex = "0123456789abcdef".repeat(4);
        for download in ["-partial", "-partial-0", "-partial-17"] {
            assert!(is_download(&format!("sha256-{hex}{download}")), "{download}");
        }
        for other in ["", "-partial-", "-partial-x", "-partial-1-2", "-partially", ".partial"] {
            assert!(!is_download(&format!("sha256-{hex}{other}")), "{other}");
        }
        assert!(!is_download("notes-partial"));
        assert!(digest_of_old_name(&format!("sha256:{hex}")).is_some());
        assert!(digest_of_old_name(&format!("sha256-{hex}")).is_none());
        assert!(digest_of_old_name("sha256:12").is_none());
    }
}
