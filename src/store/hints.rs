//! Hints: what the store remembers in small files of its own, a directory for each kind.
//!
//! They may be lost or removed at any time, and nothing depends on them but time or knowledge. So they are
//! not synced: of what a loss of power tears nothing can be parsed.

use std::io;
use std::path::Path;

use super::Shared;
use super::disk::{ignore_absence, read_up_to};
use crate::model::Digest;

impl Shared {
    /// The contents of a hint, which has `longest` bytes at most; nothing if it cannot be read.
    pub(super) fn read_hint(&self, path: &Path, longest: usize) -> Option<Vec<u8>> {
        let file = self.disk.open(path).ok()?;
        let contents = read_up_to(&*self.disk, &file, longest).ok()?;
        (contents.len() <= longest).then_some(contents)
    }

    /// The same of one that is a text.
    pub(super) fn read_hint_text(&self, path: &Path, longest: usize) -> Option<String> {
        String::from_utf8(self.read_hint(path, longest)?).ok()
    }

    /// Puts a hint in its place.
    pub(super) fn write_hint(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        self.write_unsynced(contents)?.replace(path)
    }

    /// Removes what a directory knows of blobs that are gone, each in a file that is named as the blob is.
    pub(super) fn forget_gone_in(&self, directory: &Path) -> io::Result<()> {
        self.forget_in(directory, |blob| self.disk.metadata(&self.layout.blob(blob)).is_ok())
    }

    /// Removes the files of a directory that are not named as a digest that is kept.
    pub(super) fn forget_in(&self, directory: &Path, is_kept: impl Fn(Digest) -> bool) -> io::Result<()> {
        for name in self.list_or_nothing(directory)? {
            if !name.parse().is_ok_and(&is_kept) {
                ignore_absence(self.disk.remove(&directory.join(&name)))?;
            }
        }
        Ok(())
    }
}
