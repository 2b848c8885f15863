//! Which store this is, for a program that has to know whether another one works on the same.

use std::os::unix::fs::MetadataExt;

use super::{Store, StoreError};
use crate::model::Digest;

impl Store {
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
