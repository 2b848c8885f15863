//! A file that takes its name when it is complete.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file under way. What had its name before stays until then, and dropping it leaves nothing behind.
pub(super) struct NewFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file that will have this path.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let temporary = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .prefix(".ollamake-")
            .suffix(".partial")
            .tempfile_in(directory_of(path))?;
        Ok(Self { temporary, path: path.to_owned() })
    }

    pub(super) fn as_file_mut(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Makes what was written durable, before the file has its name, so that a loss of power leaves no file
    /// of this name that is not complete.
    pub(super) fn complete(&self) -> io::Result<()> {
        self.temporary.as_file().sync_all()
    }

    /// Gives a complete file its name, in place of what has it.
    pub(super) fn publish(self) -> io::Result<()> {
        let Self { temporary, path } = self;
        temporary.persist(&path).map_err(|failed| failed.error)?;
        File::open(directory_of(&path))?.sync_all()
    }

    /// Gives a complete file its name, unless something has it.
    pub(super) fn publish_beside(self) -> io::Result<()> {
        let Self { temporary, path } = self;
        temporary.persist_noclobber(&path).map_err(|failed| failed.error)?;
        File::open(directory_of(&path))?.sync_all()
    }
}

/// The directory of a path, which may be a bare name.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
