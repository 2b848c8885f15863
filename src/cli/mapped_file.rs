//! Plain files of the user: mapped into memory, and told apart.

#![expect(unsafe_code, reason = "a memory map of a file is unsafe in Rust whatever one does")]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file that the user named. What cannot be mapped is told as what it is: the operating system's words
/// for it mean something else.
pub(super) fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::other("this is a directory, where a file is expected"));
    }
    if !metadata.is_file() {
        return Err(io::Error::other(
            "this is not a regular file, and only such a file can be read in parts",
        ));
    }
    if metadata.len() == 0 {
        return Err(io::Error::other("the file is empty"));
    }
    // SAFETY: the bytes must not change while they are mapped. Nothing here writes to the file: results go to
    // a file of their own that is renamed into place. A user who truncates or rewrites the source meanwhile
    // spoils the result or ends the process by SIGBUS, as with every program that maps its input.
    unsafe { Mmap::map(&file) }
}

/// Whether two paths lead to one file that exists.
pub(super) fn same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
