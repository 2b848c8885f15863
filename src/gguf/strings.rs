//! Many strings in one piece of memory.

use std::fmt;
use std::sync::Arc;

/// The strings of an array as a file has them: each a 64-bit length and that many bytes. A vocabulary takes
/// little more memory than its text, and a copy takes none.
#[derive(Clone, PartialEq, Eq)]
pub struct Strings {
    count: usize,
    bytes: Arc<[u8]>,
}

impl Strings {
    /// Strings that were checked in a file.
    pub(super) fn from_checked(count: usize, bytes: &[u8]) -> Self {
        Self { count, bytes: bytes.into() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.bytes;
        (0..self.count).map(move |_| {
            let (text, after) = split(rest);
            rest = after;
            text
        })
    }
}

/// The string that checked bytes begin with, and what follows it.
pub(super) fn split(bytes: &[u8]) -> (&str, &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
    // The length was checked against the bytes in memory.
    let (text, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (std::str::from_utf8(text).unwrap_or_default(), rest)
}

/// Appends a string as files have them.
pub(super) fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

impl<T: AsRef<str>> FromIterator<T> for Strings {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let (mut count, mut bytes) = (0, Vec::new());
        for text in texts {
            put(&mut bytes, text.as_ref());
            count += 1;
        }
        Self { count, bytes: bytes.into() }
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
