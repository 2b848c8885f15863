//! A blob that can be read, and the lease on it.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use memmap2::Mmap;

use super::disk::{Disk, read_full_at};
use super::map::map_blob;
use super::{StoreError, lease};
use crate::model::Digest;

/// A blob of the store. As long as it or a clone of it lives, nobody removes the blob.
#[derive(Clone)]
pub struct Blob(Arc<OpenBlob>);

struct OpenBlob {
    disk: Arc<dyn Disk>,
    digest: Digest,
    file: Arc<File>,
    length: u64,
    map: OnceLock<Mmap>,
}

/// A blob that is in the store.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The blob, leased.
    pub blob: Blob,
    /// Whether the store had it already.
    pub existed: bool,
}

impl Blob {
    /// A blob whose file is open and leased.
    pub(super) fn leased(disk: Arc<dyn Disk>, digest: Digest, file: Arc<File>, length: u64) -> Self {
        Self(Arc::new(OpenBlob { disk, digest, file, length, map: OnceLock::new() }))
    }

    /// Takes a lease on the blob in `file`, which may have been removed in between.
    pub(super) fn lease(disk: Arc<dyn Disk>, digest: Digest, file: File) -> io::Result<Self> {
        lease::lock(&*disk, &file)?;
        let length = file.metadata()?.len();
        Ok(Self::leased(disk, digest, Arc::new(file), length))
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// All its bytes, mapped into memory.
    ///
    /// Bytes that the disk can no longer read, or that another program cuts off, end the process when they
    /// are looked at; no program that keeps to the layout changes a blob in place. Where that is not to be
    /// relied on, [`read_at`](Self::read_at) answers with an error instead.
    ///
    /// # Errors
    /// What the operating system says when it cannot map the file.
    pub fn bytes(&self) -> Result<&[u8], StoreError> {
        if self.0.length == 0 {
            return Ok(&[]);
        }
        if let Some(map) = self.0.map.get() {
            return Ok(map);
        }
        let length =
            usize::try_from(self.0.length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let map = map_blob(&self.0.file, length)?;
        Ok(self.0.map.get_or_init(|| map))
    }

    /// Reads bytes from `offset` on; the number read is less than asked for only at the end.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_full_at(&*self.0.disk, &self.0.file, buffer, offset)
    }

    /// Reads the whole blob, which must not be longer than `limit` bytes.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`] if it is longer, or what the operating system says.
    pub fn read(&self, limit: usize) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(self.0.length).unwrap_or(usize::MAX);
        if length > limit {
            let problem = format!("at most {limit} bytes expected, got {}", self.0.length);
            return Err(StoreError::DamagedBlob { digest: self.0.digest, problem });
        }
        let mut contents = vec![0; length];
        let count = self.read_at(&mut contents, 0)?;
        contents.truncate(count);
        Ok(contents)
    }

    pub(super) fn file(&self) -> &File {
        &self.0.file
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.0.disk
    }

    pub(super) fn touch(&self, time: SystemTime) -> io::Result<()> {
        self.0.file.set_modified(time)
    }

    /// A reader from the beginning, with a lease of its own.
    pub fn reader(&self) -> BlobReader {
        BlobReader { blob: self.clone(), position: 0 }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Blob({}, {} bytes)", self.0.digest, self.0.length)
    }
}

/// Reads a blob from front to back, or from anywhere.
#[derive(Debug)]
pub struct BlobReader {
    blob: Blob,
    position: u64,
}

impl io::Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl io::Seek for BlobReader {
    fn seek(&mut self, target: io::SeekFrom) -> io::Result<u64> {
        let position = match target {
            io::SeekFrom::Start(offset) => Some(offset),
            io::SeekFrom::End(distance) => self.blob.length().checked_add_signed(distance),
            io::SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
