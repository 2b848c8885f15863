//! Which store this is, for a program that has to know whether another one works on the same.

use std::os::unix::fs::MetadataExt;

use rustix::process::geteuid;

use super::{Store, StoreError};
use crate::model::Digest;

impl Store {
    /// Whether the store belongs to the user of this process, so that what is put there is as what its other
    /// programs put there. Of another user's files they might be able to read none.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn is_own(&self) -> Result<bool, StoreError> {
        let directory = self.0.disk.metadata(self.0.layout.blobs())?;
        Ok(directory.uid() == geteuid().as_raw())
    }

    /// What the same directory has in every process of this machine until it is started again, and no other
    /// directory has; nothing where the operating system does not tell its runs apart. It says nothing about
    /// the directory itself.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn identity(&self) -> Result<Option<Digest>, StoreError> {
        let Some(run) = self.0.disk.run_of_system() else { return Ok(None) };
        let directory = self.0.disk.metadata(self.0.layout.blobs())?;
        let text = format!("{run} {} {}", directory.dev(), directory.ino());
        Ok(Some(Digest::of(text.as_bytes())))
    }
}
