//! A file that takes its name when it is complete.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::store::Writeback;

/// A file under way. What had its name before stays until then, and dropping it leaves nothing behind.
pub(super) struct NewFile {
    temporary: NamedTempFile,
    path: PathBuf,
    /// Bytes that were written to it, and what the disk has been told of them.
    written: u64,
    writeback: Writeback,
}

impl NewFile {
    /// Begins a file that will have this path.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let temporary = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .prefix(".ollamake-")
            .suffix(".partial")
            .tempfile_in(directory_of(path))?;
        Ok(Self { temporary, path: path.to_owned(), written: 0, writeback: Writeback::default() })
    }

    /// The file itself, for what fills it in another way than by writing.
    pub(super) fn as_file_mut(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Makes what was written durable, before the file has its name, so that a loss of power leaves no file
    /// of this name that is not complete.
    pub(super) fn complete(&mut self) -> io::Result<()> {
        self.writeback.finish()?;
        self.temporary.as_file().sync_all()
    }

    /// Gives a complete file its name, in place of what has it.
    pub(super) fn publish(self) -> io::Result<()> {
        let Self { temporary, path, .. } = self;
        temporary.persist(&path).map_err(|failed| failed.error)?;
        File::open(directory_of(&path))?.sync_all()
    }

    /// Gives a complete file its name, unless something has it.
    pub(super) fn publish_beside(self) -> io::Result<()> {
        let Self { temporary, path, .. } = self;
        temporary.persist_noclobber(&path).map_err(|failed| failed.error)?;
        File::open(directory_of(&path))?.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.temporary.as_file_mut().write(bytes)?;
        self.written += count as u64;
        if self.writeback.is_due(self.written) {
            let file = self.temporary.as_file().try_clone()?;
            self.writeback.start(self.written, move || file.sync_data())?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The directory of a path, which may be a bare name.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
