//! The hash of a file from its beginning, as far as it has been read.

use std::fs::File;
use std::io;

use sha2::{Digest as _, Sha256};

use super::disk::{Disk, read_full_at};
use super::stamp::Stamp;
use crate::model::Digest;

/// The unit in which files are read to be hashed; each thread has one such buffer.
pub(super) const UNIT: usize = 256 << 10;

/// The hash of the first so many bytes of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashed {
    hasher: Sha256,
    position: u64,
}

impl Hashed {
    /// Reads a file to its end. With the hash comes the state of the file, unless it was changed meanwhile.
    /// `goes_on` gets the number of bytes of each step; nothing is answered when it says no.
    pub(super) fn of_file(
        disk: &dyn Disk,
        file: &File,
        buffer: &mut [u8],
        goes_on: impl Fn(u64) -> bool,
    ) -> io::Result<Option<(Self, Option<Stamp>)>> {
        let before = Stamp::from(&file.metadata()?);
        let mut hashed = Self::default();
        loop {
            let count = read_full_at(disk, file, buffer, hashed.position)?;
            if count == 0 {
                break;
            }
            hashed.update(&buffer[..count]);
            if !goes_on(count as u64) {
                return Ok(None);
            }
        }
        let is_same = Stamp::from(&file.metadata()?) == before;
        Ok(Some((hashed, is_same.then_some(before))))
    }

    /// How many bytes it covers.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn digest(self) -> Digest {
        Digest::from_bytes(self.hasher.finalize().into())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
    }
}
