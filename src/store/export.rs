//! Blobs as files outside of the store.

use std::fs::File;
use std::io::{self, Write};

use super::Blob;

/// What is copied at once, in bytes.
const STEP: usize = 1 << 20;

/// How the bytes of a blob came into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    /// The file system shares them until one of the two is changed.
    Shared,
    /// They were copied.
    Copied,
}

impl Blob {
    /// Fills an empty file with the bytes of the blob, which share the room of it on disk where the file
    /// system can do that. `progress` gets the number of bytes so far.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn export(&self, to: &mut File, progress: impl Fn(u64)) -> io::Result<Exported> {
        if self.disk().clone_file(self.file(), to).is_ok() {
            return Ok(Exported::Shared);
        }
        let (mut buffer, mut position) = (vec![0; STEP], 0);
        loop {
            let count = self.read_at(&mut buffer, position)?;
            if count == 0 {
                return Ok(Exported::Copied);
            }
            to.write_all(&buffer[..count])?;
            position += count as u64;
            progress(position);
        }
    }

    /// Gives the blob's own file a further name. Whoever changes the one file changes the other.
    ///
    /// # Errors
    /// What the operating system says; one that there is a file of this name, among others.
    pub fn link_to(&self, path: &std::path::Path) -> io::Result<()> {
        self.disk().link_file(self.file(), path)
    }
}
