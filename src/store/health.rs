//! Whether the store can take anything more.

use super::disk::write_all_at;
use super::temporary::TemporaryFile;
use super::{Store, StoreError};

impl Store {
    /// Tries to write a file, which is gone afterwards.
    ///
    /// # Errors
    /// What the operating system says when it cannot be written: the store can only be read then.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let probe = TemporaryFile::create(self.0.disk.clone(), self.0.layout.temporary())?;
        Ok(write_all_at(&*self.0.disk, probe.file(), b"?", 0)?)
    }

    /// The number of bytes that can still be written to the store's file system.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn available_space(&self) -> Result<u64, StoreError> {
        Ok(self.0.disk.available_space(self.0.layout.root())?)
    }
}
