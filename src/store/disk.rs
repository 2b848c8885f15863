//! What the store asks of a file system.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::stamp::Stamp;

/// The primitives under the store. Every method does the real thing unless an implementation says
/// otherwise, so a decorator that fills the disk up, tears a write or loses power overrides only the
/// methods that it wants to disturb.
///
/// Files are plain [`File`]s, so that they can be mapped; their contents and locks go through the disk all
/// the same.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file for reading. What is not a file, such as a pipe that nobody writes to, is refused without
    /// waiting.
    fn open(&self, path: &Path) -> io::Result<File> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        regular(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
    }

    /// Creates a file that does not exist yet, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// Opens a file for reading and writing, creating it if need be.
    fn update(&self, path: &Path) -> io::Result<File> {
        regular(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?)
    }

    /// Reads some bytes from `offset` on; 0 at the end.
    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    /// Writes some of the bytes at `offset`.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// Makes the contents of a file durable.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Makes the entries of a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// What this run of the operating system is called, if it says so: what was written in the same run can
    /// be read, be it synced or not, though the program that wrote it was killed.
    fn run_of_system(&self) -> Option<String> {
        let name = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
    }

    /// The time by the clock of the machine.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Takes a shared lock on an open file, waiting for it.
    fn lock_shared(&self, file: &File) -> io::Result<()> {
        file.lock_shared()
    }

    /// Takes a lock on an open file for oneself, unless somebody else has one.
    fn try_lock(&self, file: &File) -> Result<(), TryLockError> {
        file.try_lock()
    }

    /// Gives a file another name on the same file system, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// As [`rename`](Self::rename), but fails with [`AlreadyExists`](io::ErrorKind::AlreadyExists) where
    /// something has the name, in one step, so that of two processes only one can succeed.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // File systems that cannot do it in one step, such as those of a network.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match self.metadata(to) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => self.rename(from, to),
            },
            answer => Ok(answer?),
        }
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Creates one directory.
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    /// The names in a directory, unordered.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// What is known about a file or directory, following links.
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        fs::metadata(path)
    }

    /// Whether there is an entry of this path, be it a link that leads nowhere.
    fn is_listed(&self, path: &Path) -> bool {
        self.metadata_of_link(path).is_ok()
    }

    /// What a symbolic link says, whether it leads anywhere or not; nothing of what is not a link.
    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match fs::read_link(path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// What is known about an entry itself, be it a link.
    fn metadata_of_link(&self, path: &Path) -> io::Result<Metadata> {
        fs::symlink_metadata(path)
    }

    /// Makes a symbolic link.
    fn make_link(&self, target: &Path, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, path)
    }

    /// Gives a file a second name.
    fn make_hard_link(&self, file: &Path, path: &Path) -> io::Result<()> {
        fs::hard_link(file, path)
    }

    /// Gives an open file a second name.
    fn link_file(&self, file: &File, path: &Path) -> io::Result<()> {
        use rustix::fs::{AtFlags, CWD, linkat};
        use std::os::fd::AsRawFd as _;
        // The name by which the file was opened may lead to another one by now; its descriptor does not.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Has an empty file share the room of another on the same file system, as long as neither is changed.
    fn clone_file(&self, from: &File, to: &File) -> io::Result<()> {
        Ok(rustix::fs::ioctl_ficlone(to, from)?)
    }

    /// The path of what is at the end of all links.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    /// Opens a directory, to look at what is in it.
    fn open_directory(&self, path: &Path) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// The state of what has this path relative to an open directory, following links. Where thousands are
    /// asked for, this is quicker than [`metadata`](Self::metadata).
    fn stamp_at(&self, directory: &File, path: &str) -> io::Result<Stamp> {
        let stat = rustix::fs::statat(directory, path, rustix::fs::AtFlags::empty())?;
        Ok(Stamp::from(&stat))
    }

    /// The number of bytes that can still be written by this user to the file system of `path`.
    fn available_space(&self, path: &Path) -> io::Result<u64> {
        let statistics = rustix::fs::statvfs(path)?;
        Ok(statistics.f_bavail.saturating_mul(statistics.f_frsize))
    }
}

/// An open file, if it is one and not a directory, a pipe or a device.
fn regular(file: File) -> io::Result<File> {
    let kind = file.metadata()?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(file),
        (_, true) => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Whether something was not opened because it is a directory, a pipe or a device.
pub(super) fn is_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput)
}

/// The file system of the machine, undisturbed.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {}

/// Whether a path was not followed because links lead back to each other.
pub(super) fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Whether something was removed, where its absence is as good.
pub(super) fn ignore_absence(removal: io::Result<()>) -> io::Result<bool> {
    match removal {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes all the bytes at `offset`.
pub(super) fn write_all_at(disk: &dyn Disk, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match disk.write_at(file, &bytes[written..], offset + written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads bytes from `offset` on; the number read is less than asked for only at the end.
pub(super) fn read_full_at(
    disk: &dyn Disk,
    file: &File,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match disk.read_at(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads a whole file of at most `limit` bytes, or the first `limit + 1` bytes of a longer one.
pub(super) fn read_up_to(disk: &dyn Disk, file: &File, limit: usize) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    let mut buffer = [0; 8192];
    while contents.len() <= limit {
        let wanted = buffer.len().min(limit + 1 - contents.len());
        let count = read_full_at(disk, file, &mut buffer[..wanted], contents.len() as u64)?;
        contents.extend_from_slice(&buffer[..count]);
        if count < wanted {
            break;
        }
    }
    Ok(contents)
}
