//! Files under way: written in a directory of our own, then renamed into place, or gone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::lease;

/// A file that disappears unless it is renamed into place. It is leased from its creation on, so that the
/// cleaning of another process leaves it alone, and the lease goes on under the new name.
pub(super) struct TemporaryFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<File>,
    /// Whether it stays when this is dropped.
    stays: bool,
}

impl TemporaryFile {
    pub(super) fn create(disk: Arc<dyn Disk>, directory: &Path) -> io::Result<Self> {
        loop {
            let path = directory.join(format!("{:032x}", rand::random::<u128>()));
            let file = disk.create(&path)?;
            let temporary = Self { disk: disk.clone(), path, file: Arc::new(file), stays: false };
            // Between creation and lease another process may have taken it for a leftover.
            if lease::hold(&*temporary.disk, &temporary.file)? {
                return Ok(temporary);
            }
        }
    }

    /// An open file that gets a second name, if that can be. It is leased, and only the second name
    /// disappears.
    pub(super) fn link(disk: Arc<dyn Disk>, directory: &Path, file: &Arc<File>) -> io::Result<Option<Self>> {
        loop {
            let path = directory.join(format!("{:032x}", rand::random::<u128>()));
            match disk.link_file(file, &path) {
                Ok(()) => {}
                // There is no directory to make it in.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && disk.metadata(directory).is_err() =>
                {
                    return Err(error);
                }
                Err(_) => return Ok(None),
            }
            let temporary = Self { disk: disk.clone(), path, file: file.clone(), stays: false };
            lease::lock(&*temporary.disk, &temporary.file)?;
            // Between link and lease another process may have taken it for a leftover.
            if lease::leads_to(&*temporary.disk, &temporary.path, &temporary.file)? {
                return Ok(Some(temporary));
            }
        }
    }

    /// A file that was made otherwise and is leased, to be renamed into place. It stays where it is
    /// otherwise.
    pub(super) fn adopt(disk: Arc<dyn Disk>, path: PathBuf, file: Arc<File>) -> Self {
        Self { disk, path, file, stays: true }
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with this value, if it was to stay.
    pub(super) fn abandon(&mut self) {
        self.stays = false;
    }

    /// Has the file stay where it is when this is dropped.
    pub(super) fn keep(&mut self) {
        self.stays = true;
    }

    /// Gives the file another name, in place of what has that name, under which it is still under way.
    pub(super) fn move_to(&mut self, path: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, path)?;
        self.path = path.to_owned();
        Ok(())
    }

    /// Gives the file its final name, in place of what has that name. What must outlive a loss of power has
    /// to have been synced before.
    pub(super) fn replace(&mut self, target: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, target)?;
        self.stays = true;
        Ok(())
    }

    /// Gives the file its final name, which must be free. It must have been synced before.
    pub(super) fn place(&mut self, target: &Path) -> io::Result<()> {
        self.disk.rename_new(&self.path, target)?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.stays {
            // What cannot be removed now is removed at the next start.
            let _ = self.disk.remove(&self.path);
        }
    }
}
