//! What is remembered of files by path. It holds as long as a file is in the state in which it was read.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::disk::Disk;
use super::stamp::Stamp;
use crate::locked::locked;

/// A value for each of some files.
#[derive(Debug)]
pub(super) struct PerFile<T>(Mutex<HashMap<PathBuf, (Stamp, T)>>);

impl<T> Default for PerFile<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> PerFile<T> {
    /// What is remembered of a file. It is opened, to be read by `read`, only if it was changed since.
    pub(super) fn get(
        &self,
        disk: &dyn Disk,
        path: &Path,
        read: impl FnOnce(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        let there = Stamp::from(&disk.metadata(path)?);
        if let Some((before, known)) = locked(&self.0).get(path)
            && *before == there
        {
            return Ok(known.clone());
        }
        let file = disk.open(path)?;
        let stamp = Stamp::from(&file.metadata()?);
        let known = read(&file)?;
        if stamp.is_settled() {
            locked(&self.0).insert(path.to_owned(), (stamp, known.clone()));
        }
        Ok(known)
    }

    /// Forgets a file.
    pub(super) fn remove(&self, path: &Path) {
        locked(&self.0).remove(path);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;
    use crate::store::LocalDisk;
    use crate::store::disk::read_up_to;

    #[test]
    fn a_file_is_read_again_unless_it_is_surely_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let (fresh, old) =
            (directory.path().join("fresh"), concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let (known, reads) = (PerFile::default(), Cell::new(0));
        let get = |path: &Path| {
            known.get(&LocalDisk, path, |file| {
                reads.set(reads.get() + 1);
                read_up_to(&LocalDisk, file, 3)
            })
        };
        assert_eq!(get(&fresh).unwrap_err().kind(), io::ErrorKind::NotFound);
        // What was changed a moment ago may be changed again without another time of change.
        for text in ["one", "two"] {
            fs::write(&fresh, text).unwrap();
            assert_eq!(get(&fresh).unwrap(), text.as_bytes());
            assert_eq!(get(&fresh).unwrap(), text.as_bytes());
        }
        assert_eq!(reads.replace(0), 4);
        let old = Path::new(old);
        assert_eq!(get(old).unwrap(), get(old).unwrap());
        assert_eq!(reads.get(), 1);
        known.remove(old);
        get(old).unwrap();
        assert_eq!(reads.get(), 2);
    }
}
