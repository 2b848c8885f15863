//! Memory maps of blobs.

#![expect(unsafe_code, reason = "a memory map of a file is unsafe in Rust whatever one does")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps `length` bytes of a blob's file, all of them.
pub(super) fn map_blob(file: &File, length: usize) -> io::Result<Mmap> {
    // SAFETY: the file is a blob of the store. Blobs are immutable: the store and Ollama write them under
    // another name, rename them into place and afterwards only ever unlink or replace them whole, which
    // leaves the mapped inode as it was. The length is that of the open file, so a blob that was cut off
    // before is never read beyond its end. One that is cut off by hand while it is mapped, or lies on a disk
    // that cannot read it any more, ends the process by SIGBUS: nothing is committed then, and what was
    // under way is cleared at the next start.
    unsafe { memmap2::MmapOptions::new().len(length).map(file) }
}
