//! Where the bytes of stored tensors come from.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

/// Readable byte ranges: a memory map, a buffer, an object in a store.
///
/// Ranges are read by several threads at once. A source that has its bytes in memory lends them; one that has
/// to fetch them returns what it fetched.
pub trait Source: Sync {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// The bytes of a range within the length.
    ///
    /// # Errors
    /// The bytes cannot be had.
    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>>;
}

impl Source for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(index(range.start)..index(range.end));
        bytes.map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Source for Vec<u8> {
    fn length(&self) -> u64 {
        self.as_slice().length()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        self.as_slice().read(range)
    }
}

/// What is lent reads as what lends it: `&bytes`, with `bytes` a slice, is a source.
impl<S: Source + ?Sized> Source for &S {
    fn length(&self) -> u64 {
        (**self).length()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        (**self).read(range)
    }
}
