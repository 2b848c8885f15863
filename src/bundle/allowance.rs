//! A stream of which only so much may be read as is allowed at the moment.
//!
//! What stands before the contents of an entry of a tar file, long names and lists of holes among it, is read
//! into memory by the library that understands it, without a limit of its own.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// A stream, and how many of its bytes may be read still.
pub(super) struct Limited<R> {
    stream: R,
    allowance: Allowance,
}

/// How many bytes may be read still, for whoever says so.
#[derive(Clone, Default)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// The stream, under this.
    pub(super) fn limit<R>(&self, stream: R) -> Limited<R> {
        Limited { stream, allowance: self.clone() }
    }

    /// From now on, so many bytes.
    pub(super) fn set(&self, bytes: u64) {
        self.0.set(bytes);
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.0.get();
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("what stands before the contents of an entry is too long"));
        }
        let count = self.stream.read(&mut buffer[..most])?;
        self.allowance.0.set(left - count as u64);
        Ok(count)
    }
}
