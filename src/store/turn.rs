//! Taking turns at what would be made twice otherwise.
//!
//! A turn is a locked file among the temporary ones, so that the operating system ends it with its process,
//! and the cleaning of any process removes what is left of it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::Disk;
use super::{Shared, Store, StoreError, lease};
use crate::model::Digest;

/// The right to make what a recipe describes: one job at a time has it, in any process.
pub struct Turn {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    _locked: File,
}

impl Store {
    /// The turn at a recipe, unless another job has it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn try_turn(&self, recipe: Digest) -> Result<Option<Turn>, StoreError> {
        let (disk, path) = (self.0.disk.clone(), self.0.turn_path(recipe));
        loop {
            let file = match self.0.with_directories(|| disk.create(&path)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match disk.open(&path) {
                    // It has gone just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    answer => answer?,
                },
                answer => answer?,
            };
            if !lease::lock_alone(&*disk, &file)? {
                return Ok(None);
            }
            // The last one has removed it just now, or a cleaning has.
            if lease::leads_to(&*disk, &path, &file)? {
                return Ok(Some(Turn { disk, path, _locked: file }));
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = self.disk.remove(&self.path);
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Turn({})", self.path.display())
    }
}

impl Shared {
    fn turn_path(&self, recipe: Digest) -> PathBuf {
        self.layout.temporary().join(format!("turn-{}", recipe.file_name()))
    }
}
