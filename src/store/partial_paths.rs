//! Where a partial file is that outlives its process, and its journal.

use std::path::{Path, PathBuf};

/// What the name of a journal has after that of its file.
const JOURNAL: &str = ".journal";

/// The two files of a partial file that outlives its process.
pub(super) struct PartialPaths {
    pub(super) file: PathBuf,
    pub(super) journal: PathBuf,
}

impl PartialPaths {
    /// Those of this name in a directory.
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        Self { file: directory.join(name), journal: directory.join(format!("{name}{JOURNAL}")) }
    }

    /// The name that a file goes by, or is the journal of.
    pub(super) fn name_of(file: &str) -> &str {
        file.strip_suffix(JOURNAL).unwrap_or(file)
    }
}
