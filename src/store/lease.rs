//! Leases: who needs a file holds a shared lock on it.
//!
//! The lock (`flock`) belongs to the open file, so the operating system itself drops it when its holder is
//! dropped, crashes or is killed; it is seen by every process that uses the store; and it costs nothing
//! where a file is opened anyway. Whoever wants to remove a file must first get the exclusive lock, without
//! waiting. The same rule protects blobs from pruning and the temporary files of one process from the
//! cleaning of another.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::disk::Disk;
use super::stamp::identity;

/// Takes a lease on an open file of ours. `false` if it was removed in between and so cannot be relied on.
pub(super) fn hold(disk: &dyn Disk, file: &File) -> io::Result<bool> {
    lock(disk, file)?;
    is_linked(file)
}

/// Takes a lease on an open file, which may have been removed in between.
pub(super) fn lock(disk: &dyn Disk, file: &File) -> io::Result<()> {
    match disk.lock_shared(file) {
        // Where the file system has no locks, `claim` never succeeds either, so nothing is removed.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        answer => answer,
    }
}

/// Takes an open file for oneself, to work on it. `false` if somebody else has it.
pub(super) fn lock_alone(disk: &dyn Disk, file: &File) -> io::Result<bool> {
    match disk.try_lock(file) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // Where the file system has no locks nobody can know of the others.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a path leads to an open file. Blobs may be links, or have links elsewhere, so that they outlive
/// their removal from the store.
pub(super) fn leads_to(disk: &dyn Disk, path: &Path, file: &File) -> io::Result<bool> {
    let there = match disk.metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(identity(&there) == identity(&file.metadata()?))
}

/// Whether two paths lead to the same file.
pub(super) fn is_same(disk: &dyn Disk, one: &Path, other: &Path) -> io::Result<bool> {
    let other = disk.metadata(other)?;
    match disk.metadata(one) {
        Ok(one) => Ok(identity(&one) == identity(&other)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an open file still has a name.
pub(super) fn is_linked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

/// Takes an open file for oneself, to remove it. `false` if somebody holds a lease on it, if it is gone
/// already, or if the file system cannot tell.
pub(super) fn claim(disk: &dyn Disk, file: &File) -> bool {
    match disk.try_lock(file) {
        Ok(()) => is_linked(file).unwrap_or(false),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}
