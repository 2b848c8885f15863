//! Plain files of the user: mapped into memory, and told apart.

#![expect(unsafe_code, reason = "a memory map of a file is unsafe in Rust whatever one does")]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file that the user named. An empty file cannot be mapped, and is an error of its own kind.
pub(super) fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
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
